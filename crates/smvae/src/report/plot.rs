//! Line charts as numbers: where lines, points, intervals and ticks lie in a picture of some size.
//! `assets/plot.html` draws them as SVG, so that they need no JavaScript and take the page's
//! colours.
//!
//! Lines differ in colour and in the shape of their points. What it does not do: hold any text but
//! numbers; the names of the lines are beside the picture.

use serde::Serialize;
use std::fmt::Write as _;

/// Number of colours; of shapes there are four, so that thirty-two lines differ.
const COLOURS: usize = 8;
/// The room for the ticks' numbers and the axes' names around the picture.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 36.0;
/// The least distance between two numbers of the horizontal axis.
const APART: f64 = 34.0;

/// What the horizontal axis counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Across<'a> {
    /// Epochs, up to this one.
    Epochs(usize),
    /// Numbers of posts, on a logarithmic axis; these have ticks.
    Posts(&'a [usize]),
    /// Probabilities.
    Probability,
}

/// A line to draw.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// Which colour and shape.
    pub(super) style: usize,
    /// Thin lines behind it.
    pub(super) faint: Vec<Vec<(f64, f64)>>,
    /// Its points.
    pub(super) points: Vec<(f64, f64)>,
    /// Intervals: where, from, to.
    pub(super) intervals: Vec<(f64, f64, f64)>,
    /// Single values beside it.
    pub(super) values: Vec<(f64, f64)>,
}

/// A chart in a picture of some size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Plot {
    width: f64,
    height: f64,
    /// Sides of the field.
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Vec<Tick>,
    y: Vec<Tick>,
    lines: Vec<Drawn>,
}

/// A number at an axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Tick {
    at: f64,
    text: String,
}

/// A line as paths.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Drawn {
    colour: usize,
    faint: String,
    line: String,
    intervals: String,
    values: Vec<(f64, f64)>,
    shapes: String,
}

/// The colour and the shape of a line, for its name beside the chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Key {
    colour: usize,
    shape: String,
    name: String,
}

impl Key {
    pub(super) fn new(style: usize, name: impl Into<String>) -> Self {
        let mut shape = String::new();
        put_shape(&mut shape, style, (6.0, 6.0));
        Self { colour: style % COLOURS, shape, name: name.into() }
    }
}

/// Places lines in a picture; `up` is the range of the vertical axis.
pub(super) fn plot(lines: &[Line], across: Across<'_>, up: (f64, f64), (width, height): (f64, f64)) -> Plot {
    let field = Field { across, up, width, height };
    let lines = lines.iter().map(|line| field.draw(line, |x| aside(lines, line.style, x, across))).collect();
    Plot {
        width,
        height,
        left: LEFT,
        right: width - RIGHT,
        top: TOP,
        bottom: height - BOTTOM,
        x: field.x_ticks(),
        y: field.y_ticks(),
        lines,
    }
}

/// How far a line's points at `x` stand aside, so that those of several lines are side by side.
fn aside(lines: &[Line], style: usize, x: f64, across: Across<'_>) -> f64 {
    let Across::Posts(_) = across else { return 0.0 };
    let here: Vec<usize> =
        lines.iter().filter(|line| line.points.iter().any(|point| point.0 == x)).map(|line| line.style).collect();
    let rank = here.iter().position(|other| *other == style).unwrap_or(0) as f64;
    (rank - (here.len().max(1) - 1) as f64 / 2.0) * (48.0 / here.len().max(1) as f64).min(7.0)
}

/// The range of values with a little room, and no more than that of percent.
pub(super) fn range(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (low, high) = (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max));
    if low > high {
        return (0.0, 1.0);
    }
    let room = ((high - low) * 0.08).max(0.5);
    ((low - room).max(0.0), (high + room).min(100.5))
}

struct Field<'a> {
    across: Across<'a>,
    up: (f64, f64),
    width: f64,
    height: f64,
}

impl Field<'_> {
    fn x(&self, value: f64) -> f64 {
        let share = match self.across {
            // From 0, where nothing was learned yet.
            Across::Epochs(last) => value / last.max(1) as f64,
            Across::Posts(numbers) => {
                let (first, last) = (numbers.first().copied().unwrap_or(1), numbers.last().copied().unwrap_or(1));
                let (low, high) = ((first as f64 / 1.4).ln(), (last as f64 * 1.4).ln());
                (value.max(1e-9).ln() - low) / (high - low)
            }
            Across::Probability => value,
        };
        LEFT + share * (self.width - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.up;
        let (top, bottom) = (TOP, self.height - BOTTOM);
        // What lies outside ends at the border.
        (bottom - (value - low) / (high - low).max(1e-9) * (bottom - top)).clamp(top, bottom)
    }

    fn draw(&self, line: &Line, aside: impl Fn(f64) -> f64) -> Drawn {
        let place = |&(x, y): &(f64, f64)| (tenth(self.x(x) + aside(x)), tenth(self.y(y)));
        let points: Vec<(f64, f64)> = line.points.iter().map(place).collect();
        let (mut faint, mut intervals, mut shapes) = (String::new(), String::new(), String::new());
        for thin in &line.faint {
            put_line(&mut faint, thin.iter().map(place));
        }
        for &(x, low, high) in &line.intervals {
            let ((x, low), (_, high)) = (place(&(x, low)), place(&(x, high)));
            let _ = write!(intervals, "M{x} {low}V{high}M{} {low}h8M{} {high}h8", x - 4.0, x - 4.0);
        }
        points.iter().for_each(|&at| put_shape(&mut shapes, line.style, at));
        let mut path = String::new();
        put_line(&mut path, points.into_iter());
        let values = line.values.iter().map(place).collect();
        Drawn { colour: line.style % COLOURS, faint, line: path, intervals, values, shapes }
    }

    fn x_ticks(&self) -> Vec<Tick> {
        let tick = |value: f64, text: String| Tick { at: tenth(self.x(value)), text };
        match self.across {
            Across::Epochs(last) => {
                let step = step(last as f64, ((self.width - LEFT) / APART) as usize).max(1.0) as usize;
                (0..=last).step_by(step).map(|epoch| tick(epoch as f64, epoch.to_string())).collect()
            }
            Across::Posts(numbers) => {
                let mut ticks: Vec<Tick> = Vec::new();
                for &n in numbers {
                    let mut next = tick(n as f64, n.to_string());
                    // A number without room has a tick alone.
                    if ticks.iter().rev().find(|t| !t.text.is_empty()).is_some_and(|t| next.at - t.at < APART) {
                        next.text.clear();
                    }
                    ticks.push(next);
                }
                ticks
            }
            Across::Probability => (0..=5).map(|i| f64::from(i) / 5.0).map(|x| tick(x, format!("{x:.1}"))).collect(),
        }
    }

    fn y_ticks(&self) -> Vec<Tick> {
        let (low, high) = self.up;
        let step = step(high - low, (self.height / 45.0) as usize);
        let digits = if step >= 1.0 { 0 } else { (-step.log10()).ceil() as usize };
        let first = (low / step).ceil() as i64;
        let values = (first..).map(|i| i as f64 * step).take_while(|value| *value <= high + step * 1e-6);
        values.map(|value| Tick { at: tenth(self.y(value)), text: format!("{value:.digits$}") }).collect()
    }
}

/// A distance of 1, 2 or 5 times a power of ten between at most so many ticks.
fn step(range: f64, ticks: usize) -> f64 {
    let least = range.max(1e-9) / ticks.max(1) as f64;
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|n| n * power).find(|step| *step >= least * 0.999).unwrap_or(10.0 * power)
}

/// Rounds to a tenth, which no eye tells apart.
fn tenth(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

fn put_line(path: &mut String, points: impl Iterator<Item = (f64, f64)>) {
    for (i, (x, y)) in points.enumerate() {
        let _ = write!(path, "{}{x} {y}", if i == 0 { 'M' } else { 'L' });
    }
}

/// A circle, a square, a triangle or a diamond about a place.
fn put_shape(path: &mut String, style: usize, (x, y): (f64, f64)) {
    // The second eight have other shapes than the first.
    let _ = match (style + style / COLOURS) % 4 {
        0 => write!(path, "M{} {y}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0", tenth(x - 3.5)),
        1 => write!(path, "M{} {}h6v6h-6z", tenth(x - 3.0), tenth(y - 3.0)),
        2 => write!(path, "M{x} {}l4 7h-8z", tenth(y - 4.0)),
        _ => write!(path, "M{x} {}l4.2 4.2l-4.2 4.2l-4.2 -4.2z", tenth(y - 4.2)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.text.as_str()).collect()
    }

    #[test]
    fn epochs_have_whole_numbers() {
        let of = |last| plot(&[], Across::Epochs(last), (0.0, 1.0), (300.0, 200.0));
        assert_eq!(texts(&of(2).x), ["0", "1", "2"]);
        assert_eq!(texts(&of(30).x), ["0", "5", "10", "15", "20", "25", "30"]);
        assert_eq!(texts(&of(80).x), ["0", "20", "40", "60", "80"]);
        assert_eq!(texts(&of(0).x), ["0"]);
    }

    #[test]
    fn posts_are_named_where_there_is_room() {
        let of = |numbers: &[usize]| plot(&[], Across::Posts(numbers), (0.0, 1.0), (300.0, 200.0));
        assert_eq!(texts(&of(&[50, 100, 200]).x), ["50", "100", "200"]);
        assert_eq!(texts(&of(&[50, 52, 3373]).x), ["50", "", "3373"]);
        let one = of(&[100]);
        assert_eq!(one.x[0].at, tenth((one.left + one.right) / 2.0));
    }

    #[test]
    fn ticks_are_round_and_within_the_range() {
        let of = |low, high| plot(&[], Across::Epochs(1), (low, high), (300.0, 200.0));
        assert_eq!(texts(&of(59.2, 75.1).y), ["60", "65", "70", "75"]);
        assert_eq!(texts(&of(0.0, 1.0).y), ["0.0", "0.5", "1.0"]);
        assert_eq!(range([60.0, 70.0].into_iter()), (59.2, 70.8));
        assert_eq!(range([0.0, 100.0].into_iter()), (0.0, 100.5));
        assert_eq!(range([].into_iter()), (0.0, 1.0));
    }

    #[test]
    fn what_lies_outside_ends_at_the_border() {
        let line = Line { points: vec![(1.0, 5.0)], intervals: vec![(1.0, -90.0, 90.0)], ..Line::default() };
        let plot = plot(&[line], Across::Epochs(2), (0.0, 10.0), (300.0, 200.0));
        let middle = tenth((LEFT + 290.0) / 2.0);
        assert!(plot.lines[0].intervals.starts_with(&format!("M{middle} 164V8M")), "{}", plot.lines[0].intervals);
        assert_eq!(plot.lines[0].line, format!("M{middle} 86"));
    }
}
