//! Whether sound lies where it should, to the sample: found out by correlation, so that a codec's noise and
//! a change of level do not matter.

/// Frames at either end that are looked at by themselves: a rendition whose first or last frames are missing
/// or silent still looks right as a whole.
const END: usize = 480;
/// Frames of the windows into which a whole is divided, so that a stretch that has slipped is found.
const WINDOW: usize = 4800;
/// How far off the top of the correlation may be in a part, in frames: below a half, the nearest frame is
/// the right one.
const OFF: f64 = 0.5;
/// Parts with less than this of the whole's mean power are not looked at: a pause is in any place like any
/// other.
const QUIET: f64 = 0.01;

/// How alike sound must be.
#[derive(Debug, Clone, Copy)]
pub struct Alike {
    /// The least coefficient of correlation, of every part.
    pub least: f64,
    /// How far off the top of the correlation of the whole may be, in frames.
    pub off: f64,
    /// Heard frames that make a frame here: more than one where it is decoded at a multiple of its rate, and
    /// no more is promised than a frame of the recording.
    pub frame: isize,
    /// Whether the parts are looked at one by one. A dull tone's place cannot be told from a tenth of a second.
    pub parts: bool,
}

/// The source from frame `from` on, with silence before its start and behind its end.
fn stretch(source: &[f32], from: isize, len: usize) -> Vec<f32> {
    let at = |frame: isize| usize::try_from(frame).ok().and_then(|frame| source.get(frame));
    (from..).take(len).map(|frame| at(frame).copied().unwrap_or(0.0)).collect()
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
}

/// The correlation coefficient of two stretches.
fn likeness(heard: &[f32], source: &[f32]) -> f64 {
    let power = product(heard, heard) * product(source, source);
    if power > 0.0 { product(heard, source) / power.sqrt() } else { 0.0 }
}

/// `heard` must be the source from frame `start` on, and less like what is a frame or two beside that.
#[track_caller]
fn assert_stretch(what: &str, heard: &[f32], source: &[f32], start: usize, alike: Alike) {
    let Alike { least, off: most, frame, .. } = alike;
    let start = start.cast_signed();
    let at = |lag: isize| likeness(heard, &stretch(source, start + lag, heard.len()));
    let here = at(0);
    assert!(here >= least, "{what}: likeness {here:.4}, wanted {least}; {}", best(at));
    for lag in [-2, -1, 1, 2].map(|lag| lag * frame) {
        assert!(at(lag) < here, "{what}: {lag} frames off is more like it: {} over {here}", at(lag));
    }
    // The top of the parabola through the three.
    let off = (at(frame) - at(-frame)) / (2.0 * (2.0 * here - at(frame) - at(-frame)));
    assert!(off.abs() < most, "{what}: {off:.3} frames off");
}

/// Where it would have been, for the message.
fn best(at: impl Fn(isize) -> f64) -> String {
    let best = (-2400..=2400).max_by(|a, b| at(*a).total_cmp(&at(*b))).unwrap_or(0);
    format!("{best} frames off it would be {:.4}", at(best))
}

/// The whole, and each window of it and its first and last frames, must be the source from frame `start` on.
#[track_caller]
pub fn assert_in_place(what: &str, heard: &[f32], source: &[f32], start: usize, alike: Alike) {
    assert_stretch(&format!("{what}, whole"), heard, source, start, alike);
    if !alike.parts {
        return;
    }
    let part = Alike { off: OFF, ..alike };
    let source_part = |from: usize, to: usize| &source[start + from..start + to];
    let power = |part: &[f32]| product(part, part) / part.len() as f64;
    let loud = QUIET * power(source_part(0, heard.len()));
    let windows = (0..=heard.len().saturating_sub(WINDOW)).step_by(WINDOW).map(|from| (from, WINDOW));
    let ends = [(0, END), (heard.len().saturating_sub(END), END)];
    for (from, len) in windows.chain(ends) {
        let to = (from + len).min(heard.len());
        if power(source_part(from, to)) > loud {
            let what = format!("{what}, frames {from}..{to} of {}", heard.len());
            assert_stretch(&what, &heard[from..to], source, start + from, part);
        }
    }
}
