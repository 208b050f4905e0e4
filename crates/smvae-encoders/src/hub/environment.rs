//! What the environment says about the cache of models and the token, with the names and the order
//! of the Python package huggingface_hub (2.4). A variable that is empty counts as absent.

use std::path::PathBuf;

/// Where things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// The folder with a folder for each model.
    pub cache: PathBuf,
    /// The file that may have a token. `None` means that a token can only come from a variable.
    pub token: Option<PathBuf>,
}

/// What the variables say that `get` looks up. `None` if there is no folder to keep anything in.
pub(super) fn places(get: impl Fn(&str) -> Option<String>, home: Option<PathBuf>) -> Option<Places> {
    let path = |name: &str| Some(expanded(&get(name)?, &get, home.as_ref()));
    let huggingface = || {
        let cache = path("XDG_CACHE_HOME").or_else(|| Some(home.as_ref()?.join(".cache")));
        path("HF_HOME").or_else(|| Some(cache?.join("huggingface")))
    };
    let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
    Some(Places {
        cache: cache.or_else(|| Some(huggingface()?.join("hub")))?,
        token: path("HF_TOKEN_PATH").or_else(|| Some(huggingface()?.join("token"))),
    })
}

/// The token of a variable.
pub(super) fn token(get: impl Fn(&str) -> Option<String>) -> Option<String> {
    get("HF_TOKEN").or_else(|| get("HUGGING_FACE_HUB_TOKEN"))
}

/// Whether nothing may be fetched.
pub(super) fn is_offline(get: impl Fn(&str) -> Option<String>) -> bool {
    let value = get("HF_HUB_OFFLINE").or_else(|| get("TRANSFORMERS_OFFLINE")).unwrap_or_default();
    ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
}

/// A path with `~` and variables, `$NAME` or `${NAME}`, replaced; one that is not set stays.
fn expanded(text: &str, get: &impl Fn(&str) -> Option<String>, home: Option<&PathBuf>) -> PathBuf {
    let text = match (text.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{}{rest}", home.display()),
        _ => text.to_owned(),
    };
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, end) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, at + name.len() + 3),
            None => {
                let n = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                (&after[..n], at + 1 + n)
            }
        };
        match get(name) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..end]),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[track_caller]
    fn check(variables: &[(&str, &str)], want: Option<(&str, Option<&str>)>) {
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        let get = |name: &str| variables.get(name).map(|value| (*value).to_owned());
        let got = places(get, variables.get("HOME").map(PathBuf::from));
        let want = want.map(|(cache, token)| Places { cache: cache.into(), token: token.map(Into::into) });
        assert_eq!(got, want, "{variables:?}");
    }

    #[test]
    fn the_nearest_variable_decides() {
        let home = ("HOME", "/h");
        check(&[], None);
        check(&[home], Some(("/h/.cache/huggingface/hub", Some("/h/.cache/huggingface/token"))));
        check(&[home, ("XDG_CACHE_HOME", "/x")], Some(("/x/huggingface/hub", Some("/x/huggingface/token"))));
        check(&[home, ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/f")], Some(("/f/hub", Some("/f/token"))));
        let legacy = ("HUGGINGFACE_HUB_CACHE", "/l");
        check(&[home, ("HF_HOME", "/f"), legacy], Some(("/l", Some("/f/token"))));
        check(&[home, ("HF_HUB_CACHE", "/c"), ("HF_HOME", "/f"), legacy], Some(("/c", Some("/f/token"))));
        check(&[("HF_HUB_CACHE", "/c")], Some(("/c", None)));
        check(&[home, ("HF_TOKEN_PATH", "~/t"), ("HF_HOME", "~/f")], Some(("/h/f/hub", Some("/h/t"))));
    }

    #[test]
    fn paths_may_have_variables() {
        let home = ("HOME", "/h");
        check(&[home, ("HF_HOME", "$HOME/f")], Some(("/h/f/hub", Some("/h/f/token"))));
        check(
            &[home, ("X", "y"), ("HF_HUB_CACHE", "/a/${X}b$X/$NONE$")],
            Some(("/a/yby/$NONE$", Some("/h/.cache/huggingface/token"))),
        );
        check(&[home, ("HF_HOME", "~other/f")], Some(("~other/f/hub", Some("~other/f/token"))));
        check(&[home, ("HF_HOME", "/a/${X")], Some(("/a/${X/hub", Some("/a/${X/token"))));
    }

    #[test]
    fn tokens_and_transfers() {
        let of = |variables: &'static [(&'static str, &'static str)]| {
            move |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(token(of(&[("HUGGING_FACE_HUB_TOKEN", "b"), ("HF_TOKEN", "a")])).as_deref(), Some("a"));
        assert_eq!(token(of(&[("HUGGING_FACE_HUB_TOKEN", "b")])).as_deref(), Some("b"));
        assert!(is_offline(of(&[("TRANSFORMERS_OFFLINE", "True")])) && is_offline(of(&[("HF_HUB_OFFLINE", "1")])));
        assert!(!is_offline(of(&[("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")])) && !is_offline(of(&[])));
    }
}
