//! Words for what files call by their own names: the terms of `metrics.jsonl`, and values of
//! settings.

use serde_json::Value;

/// What a curve is called; a name that is not known stands as words.
pub(super) fn of_curve(name: &str) -> String {
    let inner = name.split_once('.').map_or(name, |(_, inner)| inner);
    let (of, term) = match inner.split_once('.') {
        Some((of @ ("labelled" | "unlabelled"), term)) => (format!(" ({of})"), term),
        _ => (String::new(), inner),
    };
    let words = match term {
        "ce" => "cross entropy",
        "soft_ce" => "cross entropy against soft labels",
        "mse_text" => "reconstruction error of text",
        "mse_image" => "reconstruction error of image",
        "kl_text" => "KL divergence of text",
        "kl_image" => "KL divergence of image",
        "kl_fused" => "KL divergence of both fused",
        "mask" => "share of unlabelled rows past the mask",
        "disagreement" => "disagreement of two passes",
        "grad_norm" => "norm of the gradients",
        "f1" => "F1",
        other => &other.replace(['.', '_'], " "),
    };
    format!("{words}{of}")
}

/// A value of a setting, which is JSON, in words.
pub(super) fn of_value(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(Value::Null) => "not set".to_owned(),
        Ok(Value::Bool(true)) => "yes".to_owned(),
        Ok(Value::Bool(false)) => "no".to_owned(),
        Ok(Value::String(text)) if text.is_empty() => "empty".to_owned(),
        Ok(Value::String(text)) => text,
        _ if json.is_empty() => "no such setting".to_owned(),
        _ => json.to_owned(),
    }
}

/// A number with its noun: `1 run`, `2 runs`.
pub(super) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Names in a row: `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_called_as_in_a_file() {
        let cases = [
            ("train.loss", "loss"),
            ("train.labelled.kl_fused", "KL divergence of both fused (labelled)"),
            ("train.unlabelled.mse_text", "reconstruction error of text (unlabelled)"),
            ("dev.f1", "F1"),
            ("train.new_term.of_tomorrow", "new term of tomorrow"),
        ];
        for (name, want) in cases {
            assert_eq!(of_curve(name), want);
        }
        let values = [
            ("null", "not set"),
            ("true", "yes"),
            ("\"tiny\"", "tiny"),
            ("\"\"", "empty"),
            ("0.5", "0.5"),
            ("", "no such setting"),
            ("[1,2]", "[1,2]"),
        ];
        for (json, want) in values {
            assert_eq!(of_value(json), want);
        }
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!([list(&names), list(&names[..2]), list(&names[..1])], ["a, b and c", "a and b", "a"]);
    }
}
