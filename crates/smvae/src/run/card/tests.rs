//! Cards of invented runs: what they say, and what names cannot do to them.

use super::*;
use smvae_core::{Entity, Span};

fn state(images: bool) -> RunState {
    RunState {
        finished: false,
        threads: 2,
        train_sha256: "aa".to_owned(),
        dev_sha256: "bb".to_owned(),
        images_sha256: images.then(|| "cc".to_owned()),
        captions_sha256: None,
        files: None,
    }
}

fn scores() -> Scores {
    let entity = |label: &str, start| Entity { span: Span { start, end: start + 1 }, label: label.to_owned() };
    let mut scores = Scores::default();
    scores.add(&[entity("PER", 0), entity("LOC", 1)], &[entity("PER", 0)]);
    scores
}

fn text(name: &str, label: &str, config: &Config, images: bool, best: bool) -> String {
    let (state, scores) = (state(images), scores());
    let mut card = Card {
        name: name.to_owned(),
        config,
        state: &state,
        entities: BTreeMap::from([(label, (7, 1)), ("LOC", (3, 1))]),
        posts: [10, 30, 5],
        wide: 1,
        epochs: 2,
        steps: 20,
        best: best.then_some((1, &scores)),
        captions: images,
        dev_is_cut: true,
        finished: best,
    };
    // The promise goes with the dev that keeps it.
    let promise = "gives the same weights";
    assert!(!card.text().contains(promise));
    card.dev_is_cut = false;
    assert!(card.text().contains(promise));
    card.text()
}

#[test]
fn a_card_says_what_was_trained_and_how_well() {
    let mut config = Config {
        data: Some("/home/somebody/corpora/mine".into()),
        text_encoder: Some(format!("me/small@{}", "0".repeat(40))),
        seed: 6,
        ..Config::default()
    };
    config.training.semi = true;
    let card = text("run", "PER", &config, true, true);
    for want in [
        "---\nlibrary_name: smvae\npipeline_tag: token-classification\n",
        "- multimodal\n- semi-supervised\n",
        "base_model: \"me/small\"\n",
        "      split: validation\n",
        "    - type: f1\n      value: 0.6667\n",
        "10 labelled posts to learn from, 30 without labels, 5 of dev",
        "| PER | 7 | 1 |\n",
        "| all | 100.00 | 50.00 | 66.67 | 2 |\n",
        "--labelled selection.json --image-features FILE --seed 6 --threads 2\n",
        "The test split was not opened",
        "of which dev has 1;",
        MARK,
    ] {
        assert!(card.contains(want), "{want}\n{card}");
    }
    assert!(!card.contains("somebody"), "places are nobody's business: {card}");
}

#[test]
fn a_card_of_a_stopped_run_says_so() {
    let card = text("run", "PER", &Config::default(), false, false);
    for (want, there) in [
        ("is not finished", true),
        ("None: dev was not evaluated", true),
        ("model-index", false),
        ("base_model", false),
        ("multimodal", false),
    ] {
        assert_eq!(card.contains(want), there, "{want}\n{card}");
    }
}

#[test]
fn names_and_labels_stay_names() {
    let bad = "a\": x\n---\n# b | `c` <i> [d](e) \u{202e}*f*\u{0}&";
    assert_eq!(yaml(bad), r#""a\": x\U0000000A---\U0000000A# b | `c` <i> [d](e) \U0000202E*f*\U00000000&""#);
    assert_eq!(markdown(bad), r#"a\": x --- \# b \| \`c\` &lt;i\> \[d\]\(e\)  \*f\* &amp;"#);
    assert_eq!(code(bad), "a\": x?---?# b | ?c? <i> [d](e) ?*f*?&");
    let config = Config { data: Some(format!("data/{bad}").into()), ..Config::default() };
    let card = text(bad, bad, &config, true, true);
    assert_eq!(card.lines().filter(|line| *line == "---").count(), 2, "{card}");
    assert_eq!(card.lines().filter(|line| line.starts_with("# ")).count(), 1, "{card}");
    let row = card.lines().find(|line| line.starts_with("| a\\")).expect("a row");
    assert_eq!(row.replace(r"\|", "").matches('|').count(), 4, "{row}");
}
