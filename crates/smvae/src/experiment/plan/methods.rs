//! The methods of an experiment: their settings over those of the methods that they are like, and
//! over the settings of all. Every mistake is found in its own line.

use crate::config::Config;
use crate::config::names::merge;
use crate::error::Result;
use crate::experiment::choice::Rule;
use crate::experiment::plan::file::{File, Reader};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use toml::Spanned;

/// A method's settings, resolved.
pub(super) struct Method {
    pub config: Config,
    pub images: bool,
    pub choose: Option<Rule>,
    pub captions: bool,
    pub bf16: bool,
}

/// What the grids and corpora set, and methods may not.
const OF_THE_GRID: [&str; 6] = ["seed", "labelled", "selection_seed", "text_encoder", "data", "device"];

impl Reader<'_> {
    /// The methods of the file by name.
    pub(super) fn methods<'f>(&self, file: &'f File) -> Result<BTreeMap<&'f str, Method>> {
        let mut common = Value::Object(Map::new());
        if let Some(settings) = &file.settings {
            merge(&mut common, settings.as_ref().0.clone());
            if common.get("like").is_some() {
                return Err(
                    self.error(settings.span().start, "settings cannot be like a method: `like` is for methods")
                );
            }
            // Checked here so that an error names this line: else it would name the first method.
            self.method(settings.span().start, "settings", common.clone())?;
        }
        let mut methods = BTreeMap::new();
        for name in file.methods.keys() {
            let mut given = common.clone();
            // From the most general to the method itself, so that each mistake is found in its own
            // line.
            for name in self.lineage(file, name)?.into_iter().rev() {
                merge(&mut given, file.methods[name].0.clone());
                let method = self.method(name.span().start, &format!("method {}", name.as_ref()), given.clone())?;
                methods.insert(name.as_ref().as_str(), method);
            }
        }
        Ok(methods)
    }

    /// A method, the method that it is like, the method that that is like, and so on.
    fn lineage<'f>(&self, file: &'f File, name: &'f Spanned<String>) -> Result<Vec<&'f Spanned<String>>> {
        let mut lineage = vec![name];
        let mut last = name;
        while let Some(like) = file.methods[last].0.get("like") {
            let like = Spanned::new(last.span(), like.as_str().map_or_else(|| like.to_string(), str::to_owned));
            let (next, _) = file
                .methods
                .get_key_value(&like)
                .ok_or_else(|| self.unknown(&like, "method", file.methods.keys().map(|name| name.as_ref().as_str())))?;
            if lineage.contains(&next) {
                return Err(self.error(last.span().start, format!("method {} is like itself", next.as_ref())));
            }
            lineage.push(next);
            last = next;
        }
        Ok(lineage)
    }

    fn method(&self, at: usize, what: &str, given: Value) -> Result<Method> {
        let error = |why: String| self.error(at, format!("{what}: {why}"));
        let Value::Object(mut given) = given else { return Err(error(format!("must be a table, not {given}"))) };
        given.remove("like");
        let mut flag = |name: &str, default| match given.remove(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(error(format!("{name} must be true or false, not {other}"))),
        };
        let (images, captions, bf16) = (flag("images", true)?, flag("captions", true)?, flag("bf16", false)?);
        let choose = given.remove("choose").map(serde_json::from_value::<Rule>).transpose();
        let choose = choose.map_err(|e| error(format!("choose: {e}")))?;
        choose.as_ref().map_or(Ok(()), Rule::validate).map_err(error)?;
        if let Some(key) = OF_THE_GRID.iter().find(|key| given.contains_key(**key)) {
            return Err(error(format!("{key} is not a setting of a method: grids and corpora set it")));
        }
        let preset = given.get("preset").and_then(|preset| preset.as_str()).unwrap_or("default").to_owned();
        let config = Config::preset(&preset).map_err(|e| error(e.to_string()))?;
        let config = config.with(given.into()).map_err(|e| error(e.to_string()))?;
        config.validate().map_err(|e| error(e.to_string()))?;
        Ok(Method { config, images, captions, bf16, choose })
    }
}
