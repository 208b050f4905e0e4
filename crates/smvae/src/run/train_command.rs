//! The command that trains a run again, on the same posts with the same settings. Model cards and
//! reports show it; nothing runs it.

use crate::config::Config;
use smvae_encoders::device::{DeviceChoice, described};

/// What a run learned from beside its corpus, and where things are, each as a word of a shell.
pub(crate) struct TrainCommand<'a> {
    /// The run's configuration, which says whether there were posts without labels from a file, and
    /// where the run computed.
    pub run: &'a Config,
    /// Its `config.json`.
    pub config: &'a str,
    /// The folder of its corpus.
    pub data: &'a str,
    /// Its `selection.json`. `None` for a run without one.
    pub selection: Option<&'a str>,
    /// Whether it read image vectors.
    pub images: bool,
    /// Whether it read captions of a file.
    pub captions: bool,
    /// The folder of the new run.
    pub out: &'a str,
}

impl TrainCommand<'_> {
    /// The command, without the options that change no setting.
    pub(crate) fn line(&self) -> String {
        let Self { config, data, out, .. } = self;
        let mut command = format!("smvae train --config {config} --data {data} --out {out}");
        // The posts of an experiment are those of a manifest or chosen, and its configuration has
        // their number, too: only the manifest says which they are. Beside --unlabelled there can
        // be no manifest, and the posts are drawn as the configuration says.
        if self.run.unlabelled.is_some() {
            command += " --unlabelled FILE";
        } else if let Some(selection) = self.selection {
            command += &format!(" --labelled {selection}");
        }
        if self.images {
            command += " --image-features FILE";
        }
        if self.captions {
            command += " --captions FILE";
        }
        command + &self.device()
    }

    /// The options of the device and what it multiplies in, where they are not the program's
    /// defaults. A device that no option names is left out.
    fn device(&self) -> String {
        let device = described(&self.run.device);
        let mut options = String::new();
        if let Ok(choice @ DeviceChoice::Cuda(_)) = device.name.parse() {
            options += &format!(" --device {choice}");
            options += if device.tf32 { "" } else { " --tf32 0" };
        }
        options + if device.bf16 { " --bf16" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(edit: impl Fn(&mut Config), selection: Option<&str>, [images, captions]: [bool; 2], want: &str) {
        let mut run = Config::default();
        edit(&mut run);
        let command = TrainCommand { run: &run, config: "c.json", data: "D", selection, images, captions, out: "R" };
        assert_eq!(command.line(), format!("smvae train --config c.json --data D --out R{want}"));
    }

    #[test]
    fn the_same_posts_are_labelled_again() {
        let manifest = Some("s.json");
        check(|_| {}, manifest, [false; 2], " --labelled s.json");
        // Runs of experiments have a number and a manifest.
        check(|run| run.labelled = Some(9), manifest, [true, false], " --labelled s.json --image-features FILE");
        // The program takes no manifest beside posts without labels.
        check(|run| run.unlabelled = Some("u".into()), manifest, [false, true], " --unlabelled FILE --captions FILE");
        check(|_| {}, None, [false; 2], "");
    }

    #[test]
    fn the_device_and_what_it_multiplies_in_are_named() {
        let check = |device: &str, want: &str| check(|run| run.device = device.to_owned(), None, [false; 2], want);
        check("cpu", "");
        check("cpu, bf16", " --bf16");
        check("cuda:0, tf32", " --device cuda:0");
        check("cuda:1", " --device cuda:1 --tf32 0");
        check("cuda:1, tf32, bf16", " --device cuda:1 --bf16");
        check("cuda; rm -r /", "");
    }
}
