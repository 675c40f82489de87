//! A picture of the ratios: each a dot, its aim a mark, the other program the line at 1.

use std::fmt::Write as _;

use super::report::{Aim, Bound, Section};
use super::statistics::brief;

/// Colours that are read on white and on black are few, so the picture brings its own for each.
const STYLE: &str = "
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 11px; fill: #59636e }
  .page { fill: #ffffff }
  .grid { stroke: #d1d9e0 }
  .one { stroke: #59636e; stroke-width: 1.5 }
  .way { stroke: #0a6c74; stroke-width: 6; stroke-linecap: round; opacity: .35 }
  .dot { fill: #0a6c74 }
  .missed .dot { fill: #bc4c00 }
  .missed .way { stroke: #bc4c00 }
  .aim { stroke: #1f2328; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .small { fill: #9198a1 }
    .page { fill: #0d1117 }
    .grid { stroke: #3d444d }
    .one { stroke: #9198a1 }
    .way { stroke: #4fc1c9 }
    .dot { fill: #4fc1c9 }
    .missed .dot { fill: #ff9a57 }
    .missed .way { stroke: #ff9a57 }
    .aim { stroke: #f0f6fc }
  }
";

const WIDTH: f64 = 960.0;
/// Where the labels end and the scale begins, and where it ends.
const LEFT: f64 = 400.0;
const RIGHT: f64 = 890.0;
const TOP: f64 = 70.0;
const ROW: f64 = 24.0;
/// The ends of the scale, which is logarithmic; what is beyond is drawn at the end.
const LEAST: f64 = 0.04;
const MOST: f64 = 5.0;
const TICKS: [f64; 6] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0];

/// A ratio of which less is better.
struct Bar {
    label: String,
    ratio: f64,
    aim: f64,
}

impl Bar {
    fn of(aim: &Aim) -> Option<Self> {
        let against = aim.against?;
        let (ratio, bound, turned) = match aim.bound {
            Bound::AtMost(bound) => (aim.figure, bound, ""),
            Bound::AtLeast(bound) => (1.0 / aim.figure, 1.0 / bound, " (time for a byte)"),
            Bound::Below(_) | Bound::Within(_) => return None,
        };
        let what = if turned.is_empty() { &*aim.what } else { aim.what.trim_end_matches(", throughput") };
        Some(Self { label: format!("{what}{turned} / {against}"), ratio, aim: bound })
    }
}

fn x(ratio: f64) -> f64 {
    let place = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + place * (RIGHT - LEFT)
}

/// The picture as SVG.
pub fn draw(sections: &[Section]) -> String {
    let bars: Vec<Bar> = sections.iter().flat_map(|section| &section.aims).filter_map(Bar::of).collect();
    let bottom = TOP + bars.len() as f64 * ROW;
    let height = bottom + 34.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"What tailcast takes, as a share of what other programs take\">\n\
         <style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n\
         <text x=\"16\" y=\"24\">What tailcast takes, as a share of what the other program takes for the same work</text>\n\
         <text class=\"small\" x=\"16\" y=\"42\">Less is better. The dot is the figure, the upright mark the aim; orange \
         where the aim is missed.</text>\n"
    );
    scale(&mut out, bottom);
    for (number, bar) in bars.iter().enumerate() {
        row(&mut out, bar, TOP + (number as f64 + 0.5) * ROW);
    }
    out.push_str("</svg>\n");
    out
}

fn scale(out: &mut String, bottom: f64) {
    for tick in TICKS {
        let (x, class) = (x(tick), if tick == 1.0 { "one" } else { "grid" });
        writeln!(out, "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>")
            .unwrap();
        for y in [TOP - 7.0, bottom + 17.0] {
            writeln!(
                out,
                "<text class=\"small\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{tick}</text>"
            )
            .unwrap();
        }
    }
}

fn row(out: &mut String, bar: &Bar, y: f64) {
    let (dot, mark, begin) = (x(bar.ratio), x(bar.aim), x(1.0));
    let class = if bar.ratio <= bar.aim { "met" } else { "missed" };
    let (text, up, down) = (y + 4.5, y - 8.0, y + 8.0);
    writeln!(
        out,
        "<g class=\"{class}\"><text text-anchor=\"end\" x=\"{:.1}\" y=\"{text}\">{}</text>\
         <line class=\"way\" x1=\"{begin:.1}\" x2=\"{dot:.1}\" y1=\"{y}\" y2=\"{y}\"/>\
         <line class=\"aim\" x1=\"{mark:.1}\" x2=\"{mark:.1}\" y1=\"{up}\" y2=\"{down}\"/>\
         <circle class=\"dot\" cx=\"{dot:.1}\" cy=\"{y}\" r=\"5\"/>\
         <text class=\"small\" x=\"{:.1}\" y=\"{text}\">{}</text></g>",
        LEFT - 14.0,
        bar.label,
        RIGHT + 10.0,
        brief(bar.ratio),
    )
    .unwrap();
}
