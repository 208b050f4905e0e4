//! Fragments of sentences of README.md and RESULTS.md that have figures, each with its source: the
//! kept results, or a list of figures that were measured elsewhere.

use super::lookup::{Cell, On, Results, mean_of};

/// Figures that no kept result has: page, fragment, source.
const ELSEWHERE: [(&str, &str, &str); 8] = [
    ("README.md", "with a 95 % interval", "the level of the intervals: Student's t in smvae::experiment::statistics"),
    ("RESULTS.md", "with its 95 % interval", "the same"),
    ("RESULTS.md", "it has 83.15 on Twitter2017", "a run of 2026-11-23 by the command there, not kept"),
    ("RESULTS.md", "where that has 83.39", "the PyTorch reference of this project, one run"),
    ("RESULTS.md", "The published 86.37", "Zhou et al., EMNLP 2022"),
    ("RESULTS.md", "moved dev by 1.0 and 2.5", "two runs of 2026-11-24, not kept, beside those of 2026-11-23"),
    ("RESULTS.md", "over-confident by 9 % to 23 %", "the table there, rounded"),
    ("RESULTS.md", "leaves 2 % to 4 %", "the table there, rounded"),
];

/// What a page says.
pub(super) fn of(results: &Results, page: &str) -> Vec<String> {
    let elsewhere = ELSEWHERE.iter().filter(|(of, ..)| *of == page).map(|(_, fragment, _)| (*fragment).to_owned());
    let kept = if page == "RESULTS.md" { results_page(results) } else { Vec::new() };
    elsewhere.chain(kept).collect()
}

fn results_page(results: &Results) -> Vec<String> {
    let test = |year, labels, method| results.mean(Cell(year, labels, method));
    let minus = |year: &str, method: &str, baseline: &str| results.minus(Cell(year, "100", method), baseline);
    let on_draw_0 = |method: &str| {
        let is_it = |id: &str| id == format!("twitter2017-{method}-100-d0-s0");
        let run = results.few_labels.iter().find(|result| is_it(&result.run.id)).expect("a run of draw 0");
        format!("{:.2}", run.test.as_ref().expect("test was scored").overall.f1())
    };
    let authors = results.authors[0].test.as_ref().expect("test was scored").overall.f1();
    let all_labels =
        results.few_labels.iter().filter(|r| r.run.corpus == "twitter2017" && r.run.method.starts_with("full"));
    let all_labels: Vec<f64> = all_labels.filter_map(|r| Some(r.test.as_ref()?.overall.f1())).collect();
    assert_eq!(all_labels.len(), 11, "the pages say eleven");
    let longer = results.mean_on(Cell("2017", "all", "full-longer"), On::Dev);
    let both = |value: &dyn Fn(&str) -> String| {
        let [of_2017, of_2015] = ["2017", "2015"].map(value);
        format!("{of_2017} on Twitter2017 and {of_2015} on Twitter2015")
    };
    vec![
        format!("{}** is a mean and its standard deviation", test("2017", "100", "supervised")),
        format!("{}** is the mean of paired differences", minus("2017", "teachers", "supervised")),
        format!("MPNet has {}", both(&|year| results.mpnet(year, "full"))),
        format!(
            "with MPNet this gives {} and {}",
            mean_of(&results.mpnet_by_authors_protocol("2017")),
            mean_of(&results.mpnet_by_authors_protocol("2015"))
        ),
        format!("come to {authors:.2} on draw 0"),
        format!("supervised training has {} and the student {}", on_draw_0("supervised"), on_draw_0("teachers")),
        format!("no difference is seen: {}", both(&|year| minus(year, "paper", "supervised"))),
        format!("alone gains {}", minus("2017", "negatives", "supervised")),
        format!("a student with ten negatives over that {}", minus("2017", "teachers-negatives", "negatives")),
        format!("on Twitter2015 it is {}", minus("2015", "teachers-negatives", "negatives")),
        format!(
            "with 100 labels has: {}, three draws",
            results.minus_with_dev_of_100(Cell("2017", "100", "teachers"), "supervised")
        ),
        format!("images are worth {}", both(&|year| minus(year, "supervised", "text"))),
        format!("eleven models have {}", mean_of(&all_labels)),
        format!("gains {}, both on test", both(&|year| minus(year, "negatives", "supervised"))),
        format!("({longer}, twice the epochs) has {} on test", test("2017", "all", "full-longer")),
        format!("chosen posts with teachers gain {}", both(&|year| results.labelling_minus(year, "entities-teachers"))),
        format!(
            "the choice alone {} and {}",
            results.labelling_minus("2017", "entities"),
            results.labelling_minus("2015", "entities")
        ),
    ]
}
