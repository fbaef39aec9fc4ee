//! Bars over time as SVG: in whole numbers, readable without colour, and told in words to who cannot see them.

use super::{markup::Markup, sums::Bar};
use crate::documents::figures;

/// Units of the drawing, about a tenth of a pixel on a phone: text of 110 units is then as large as small print.
const WIDTH: u64 = 3_600;
const HEIGHT: u64 = 1_900;
/// The plot: between the numbers of the axis and the edge, from above the tallest bar to above the labels.
const LEFT: u64 = 330;
const RIGHT: u64 = WIDTH - 30;
const TOP: u64 = 180;
const BOTTOM: u64 = HEIGHT - 190;

/// Bars of a few do not become slabs.
const WIDEST_BAR: u64 = 260;

/// Labels under the bars, and numbers above them, at most: more would touch.
const MOST_LABELS: usize = 12;

/// Lines of the axis at most, the one at nothing apart.
const MOST_LINES: u64 = 4;

/// A chart of bars, with one or two parts each.
#[derive(Debug)]
pub struct Chart<'a> {
    /// For links within the page.
    pub id: &'a str,
    /// What it is about.
    pub title: &'a str,
    /// What the lower and the upper part are; the upper one is hatched.
    pub parts: &'a [&'a str],
    /// In their order.
    pub bars: &'a [Bar],
    /// What is told where there is nothing.
    pub none: &'a str,
}

impl Chart<'_> {
    /// The chart as a figure with its legend, in HTML; every text in it is escaped.
    pub fn to_html(&self) -> String {
        let mut out = Markup::default();
        self.draw(&mut out);
        out.into_text()
    }

    /// Adds the chart as a figure with its legend.
    pub(super) fn draw(&self, out: &mut Markup) {
        let Self { id, title, parts, bars, .. } = self;
        let axis = Axis::over(bars.iter().map(|bar| bar.values.iter().sum()).max().unwrap_or(0));
        out.raw("<figure><figcaption>").element("b", title);
        for (part, swatch) in parts.iter().zip(["part", "hatched"]).filter(|_| parts.len() > 1) {
            // A sample has no room for the pattern: a few stripes tell it.
            let stripes = if swatch == "hatched" { "<path d=\"M1 7 7 1M1 13 13 1M7 13 13 7\"/>" } else { "" };
            out.raw(" <span class=\"key\"><svg viewBox=\"0 0 14 14\" aria-hidden=\"true\">");
            out.raw(&format!("<rect class=\"{swatch}\" x=\"1\" y=\"1\" width=\"12\" height=\"12\"/>{stripes}</svg>"));
            out.text(part).raw("</span>");
        }
        out.raw("</figcaption>\n");
        out.raw(&format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">"
        ));
        out.element(&format!("title id=\"{id}-title\""), title);
        out.element(&format!("desc id=\"{id}-desc\""), &self.in_words());
        out.raw(&format!(
            "<defs><pattern id=\"{id}-hatch\" width=\"60\" height=\"60\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect class=\"ground\" width=\"60\" height=\"60\"/>\
             <rect class=\"stripe\" width=\"22\" height=\"60\"/></pattern></defs>\n"
        ));
        axis.draw(out);
        for (at, bar) in bars.iter().enumerate() {
            self.bar(out, &axis, at, bar);
        }
        out.raw("</svg></figure>\n");
    }

    fn in_words(&self) -> String {
        let told: Vec<String> = self.bars.iter().filter(|bar| bar.values != [0; 2]).map(|bar| self.told(bar)).collect();
        if told.is_empty() { self.none.to_owned() } else { format!("{}.", told.join("; ")) }
    }

    fn told(&self, bar: &Bar) -> String {
        let parts = self.parts.iter().zip(bar.values);
        let parts: Vec<String> = parts.map(|(part, value)| format!("{} {part}", figures::number(value))).collect();
        format!("{}: {}", bar.name, parts.join(", "))
    }

    fn bar(&self, out: &mut Markup, axis: &Axis, at: usize, bar: &Bar) {
        let (at_unit, count) = (at as u64, self.bars.len().max(1) as u64);
        let slot = (RIGHT - LEFT) / count;
        let width = (slot * 7 / 10).clamp(1, WIDEST_BAR);
        let middle = LEFT + (RIGHT - LEFT) * (2 * at_unit + 1) / (2 * count);
        let x = middle - width / 2;
        let [lower, upper] = bar.values;
        let (first, second) = (axis.height(lower), axis.height(lower + upper) - axis.height(lower));
        out.raw("<g>").element("title", &self.told(bar));
        if lower > 0 {
            let y = BOTTOM - first;
            out.raw(&format!("<rect class=\"part\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{first}\"/>"));
        }
        if upper > 0 {
            let (y, id) = (BOTTOM - first - second, self.id);
            let place = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{second}\"");
            out.raw(&format!("<rect class=\"hatched\" fill=\"url(#{id}-hatch)\" {place}/>"));
        }
        if self.bars.len() <= MOST_LABELS && lower + upper > 0 {
            let y = BOTTOM - first - second - 45;
            out.element(&format!("text class=\"value\" x=\"{middle}\" y=\"{y}\""), &figures::number(lower + upper));
        }
        if at.is_multiple_of(self.bars.len().div_ceil(MOST_LABELS)) {
            let y = HEIGHT - 45;
            out.element(&format!("text class=\"label\" x=\"{middle}\" y=\"{y}\""), &bar.label);
        }
        out.raw("</g>\n");
    }
}

/// The scale from nothing to above the tallest bar.
struct Axis {
    step: u64,
    top: u64,
}

impl Axis {
    fn over(tallest: u64) -> Self {
        let step = round_step(tallest.div_ceil(MOST_LINES).max(1));
        Self { step, top: tallest.div_ceil(step).max(1) * step }
    }

    fn height(&self, value: u64) -> u64 {
        // Through 128 bits: counts come from outside.
        let height = u128::from(value) * u128::from(BOTTOM - TOP) / u128::from(self.top.max(1));
        u64::try_from(height).unwrap_or(BOTTOM - TOP)
    }

    fn draw(&self, out: &mut Markup) {
        for line in 0..=self.top / self.step.max(1) {
            let value = line * self.step;
            let y = BOTTOM - self.height(value);
            let class = if line == 0 { "base" } else { "grid" };
            out.raw(&format!("<line class=\"{class}\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{RIGHT}\" y2=\"{y}\"/>"));
            let (x, y) = (LEFT - 50, y + 38);
            out.element(&format!("text class=\"scale\" x=\"{x}\" y=\"{y}\""), &figures::number(value));
        }
        out.raw("\n");
    }
}

/// The smallest of 1, 2, 5, 10, 20, 50 … that is not below.
fn round_step(least: u64) -> u64 {
    let mut ten = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            match ten.checked_mul(factor) {
                Some(step) if step < least => {}
                Some(step) => return step,
                None => return u64::MAX,
            }
        }
        ten = ten.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_steps_and_hold_the_tallest() {
        for (tallest, step, top) in [(0, 1, 1), (1, 1, 1), (4, 1, 4), (5, 2, 6), (17, 5, 20), (1_633, 500, 2_000)] {
            let axis = Axis::over(tallest);
            assert_eq!((axis.step, axis.top), (step, top), "{tallest}");
            assert!(axis.height(tallest) <= BOTTOM - TOP);
        }
        let axis = Axis::over(u64::MAX / 2);
        assert!(axis.height(u64::MAX / 2) <= BOTTOM - TOP && axis.top / axis.step <= MOST_LINES);
    }

    #[test]
    fn a_chart_is_told_in_words_and_its_parts_differ_without_colour() {
        let bar = |label: &str, values| Bar { label: label.to_owned(), name: format!("{label} 2026"), values };
        let bars = [bar("okt", [2, 1]), bar("nov", [0, 0])];
        let chart =
            Chart { id: "c", title: "Leveringen", parts: &["opgehaald", "niet opgehaald"], bars: &bars, none: "Geen." };
        let mut out = Markup::default();
        chart.draw(&mut out);
        let text = out.into_text();
        assert!(text.contains("<desc id=\"c-desc\">okt 2026: 2 opgehaald, 1 niet opgehaald.</desc>"), "{text}");
        assert_eq!(text.matches("url(#c-hatch)").count(), 1, "{text}");
        assert_eq!(text.matches("<path").count(), 1, "{text}");
        assert_eq!(text.matches("class=\"value\"").count(), 1, "{text}");
    }
}
