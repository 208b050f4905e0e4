//! `smvae man`: manual pages, from the same description of the options as `--help`.

use crate::output;
use anyhow::Context as _;
use clap::{Args, Command};
use clap_mangen::Man;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where a page for each command goes, such as share/man/man1; without it the program's own
    /// page is printed.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints or writes the pages; `program` is the whole command line.
pub(crate) fn run(args: &ManArgs, program: Command) -> anyhow::Result<()> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let Some(dir) = &args.dir else { return output::print_bytes(&page(&program)?) };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot write {}", dir.display()))?;
    save(dir, "smvae", &program)?;
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        save(dir, &format!("smvae-{}", command.get_name()), command)?;
    }
    Ok(())
}

fn save(dir: &Path, name: &str, command: &Command) -> anyhow::Result<()> {
    Ok(smvae::data::files::write_atomically(&dir.join(format!("{name}.1")), &page(command)?)?)
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    let source = concat!("smvae ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(source).manual("User Commands").render(&mut page)?;
    Ok(page)
}
