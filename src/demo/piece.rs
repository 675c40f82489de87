//! The music of `tailcast demo`: a small generative piece without an end, and a clock in it that tells a
//! person (by ear) and a test (by tone) where in the recording they are.
//!
//! # The clock
//!
//! At every multiple of ten seconds the music steps back and the clock speaks, each tone in units of
//! 80 ms ([`UNIT_FRAMES`]), as the pips of a radio station do:
//!
//! | what | tone | says |
//! |---|---|---|
//! | tick | [`TICK_HZ`], 1 unit | its first frame is the ten-second mark, exactly |
//! | low beeps | [`MINUTE_HZ`] | the minute, modulo ten |
//! | high beeps | [`TENS_HZ`] | the tens of seconds, 0 to 5 |
//!
//! Nobody can count nine quick beeps, so both digits are written as on a tally: a **long beep (3 units) is
//! five**, a **short one (1 unit) is one**, and the long one comes first. 7:40 is: tick, low *long short
//! short*, high *short short short short*. A zero is silent; 0:00 is the tick alone.
//!
//! ```text
//! unit     0   1  2  3  4 5 6  7   8   9   10   11  12 13  14  15  16  17  18  19  20
//! 7:40     T            L L L      L       L               H       H       H       H
//! ```
//!
//! After the tick three units are quiet, after each beep one, and between the two digits three. So a
//! program cuts the [`CLOCK_FRAMES`] after a mark into units, asks each for its strongest tone, and adds up
//! the runs of equal tones: a run of 1 is one, a run of 3 is five. All three frequencies have whole periods
//! in a unit (which keeps them apart in a Goertzel filter of that length) and lie in the gaps of the white
//! keys, on which all the music is played; the music is ducked by 18 dB meanwhile.
//!
//! # The music
//!
//! A bar is eight seconds and has a chord (a soft pad, and a bass note every half bar); a plucked pentatonic
//! melody with an echo from the other side goes over it in steps of half a second. Bars two apart share
//! their motif for about a minute. Everything by chance is a hash of the bar's or the step's number.
//!
//! # Why any split gives the same bytes
//!
//! Each sample is computed from its own frame number alone: phases are integers that wrap (frame times step),
//! envelopes are polynomials of the frames since the note began, and notes are summed in one order. Nothing
//! is carried from frame to frame. Only additions and multiplications are used, no libm, so the bytes are
//! also the same on every machine. Notes begin and end on cells of 10 ms and have bounded lengths, so the
//! notes that sound in a cell are found by looking back a few seconds.

use super::synth::{
    BASS_FRAMES, Beep, CELL, PAD_FADE, PLUCK_FRAMES, Pad, Pluck, Stretch, low_u32, phase_step,
};

pub use super::synth::RATE;
/// Interleaved channels: left, right.
pub const CHANNELS: u16 = 2;

/// The clock speaks each time so many frames have passed: every ten seconds, and first at frame 0.
pub const MARK_FRAMES: u64 = 10 * RATE as u64;
/// The clock's unit of 80 ms: the length of the tick, of a short beep, and of the quiet after a beep.
pub const UNIT_FRAMES: u32 = RATE / 1000 * 80;
/// The length of a beep that counts one.
pub const SHORT_FRAMES: u32 = UNIT_FRAMES;
/// The length of a beep that counts five.
pub const LONG_FRAMES: u32 = 3 * UNIT_FRAMES;
/// The longest the clock speaks (at x9:40): all its tones lie in so many frames after the mark.
pub const CLOCK_FRAMES: u32 = 25 * UNIT_FRAMES;
/// The tick, whose first frame is the mark.
pub const TICK_HZ: u32 = 1000;
/// The beeps that count minutes modulo ten.
pub const MINUTE_HZ: u32 = 625;
/// The beeps that count the tens of seconds.
pub const TENS_HZ: u32 = 1500;

const STEP: u32 = RATE / 2;
const STEPS_IN_BAR: u64 = 16;
const BAR: u64 = STEPS_IN_BAR * STEP as u64;
const ECHO_DELAY: u32 = RATE * 3 / 4;

const PLUCK_GAIN: f32 = 0.19;
const ECHO_GAIN: f32 = 0.35;
const BASS_GAIN: f32 = 0.17;

/// Appends `frames` frames of the piece from `first_frame` on to `out`, as signed 16-bit little-endian
/// samples, left and right interleaved: 4 bytes a frame.
///
/// A pure function of the frame number: the same frame has the same bytes in whatever piece it is asked for.
pub fn render(first_frame: u64, frames: usize, out: &mut Vec<u8>) {
    out.reserve(frames.saturating_mul(4));
    let (mut frame, mut left) = (first_frame, frames as u64);
    let mut stretch = Stretch::default();
    while left > 0 {
        let len = left.min(u64::from(CELL) - frame % u64::from(CELL));
        stretch.clear(frame, len);
        play_music(&mut stretch);
        play_clock(&mut stretch);
        stretch.append_to(out);
        frame = frame.wrapping_add(len);
        left -= len;
    }
}

/// What the clock says: it is the time of a ten-second mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The minute modulo ten, 0 to 9.
    pub minute: u32,
    /// The tens of seconds in that minute, 0 to 5.
    pub tens: u32,
}

/// One tone of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone {
    /// One of [`TICK_HZ`], [`MINUTE_HZ`] and [`TENS_HZ`].
    pub hz: u32,
    /// The tone's first frame, counted from the mark.
    pub start: u32,
    /// The tone's length in frames: [`SHORT_FRAMES`] or [`LONG_FRAMES`].
    pub frames: u32,
}

/// What the clock said last at `frame`: the time of the latest mark that is not after it.
pub const fn clock_at(frame: u64) -> Clock {
    let tens = low_u32(frame / MARK_FRAMES % 60);
    Clock { minute: tens / 6, tens: tens % 6 }
}

impl Clock {
    /// The tones that say this time, in their order: the tick, the minute's beeps, the tens' beeps.
    pub fn tones(self) -> impl Iterator<Item = Tone> {
        let minute_at = 4 * UNIT_FRAMES;
        let tens_at =
            minute_at + tally_frames(self.minute) + if self.minute > 0 { 2 * UNIT_FRAMES } else { 0 };
        std::iter::once(Tone { hz: TICK_HZ, start: 0, frames: UNIT_FRAMES })
            .chain(tally(self.minute, MINUTE_HZ, minute_at))
            .chain(tally(self.tens, TENS_HZ, tens_at))
    }

    /// The frames from the mark to the end of the last tone.
    fn frames(self) -> u32 {
        self.tones().last().map_or(0, |tone| tone.start + tone.frames)
    }
}

/// The beeps of one digit: a long one for five, short ones for the rest.
fn tally(digit: u32, hz: u32, start: u32) -> impl Iterator<Item = Tone> {
    let fives = digit / 5;
    let ones_at = start + tally_frames(fives * 5);
    (0..fives).map(move |_| Tone { hz, start, frames: LONG_FRAMES }).chain(
        (0..digit % 5).map(move |i| Tone { hz, start: ones_at + tally_frames(i), frames: SHORT_FRAMES }),
    )
}

/// The length of a digit below ten in beeps, with the quiet unit after each.
const fn tally_frames(digit: u32) -> u32 {
    digit / 5 * (LONG_FRAMES + UNIT_FRAMES) + digit % 5 * (SHORT_FRAMES + UNIT_FRAMES)
}

/// Ducks the music around the mark and plays the clock over it.
fn play_clock(stretch: &mut Stretch) {
    let since_mark = low_u32(stretch.first % MARK_FRAMES);
    let clock = clock_at(stretch.first);
    stretch.duck(since_mark, clock.frames(), low_u32(MARK_FRAMES));
    let mark = stretch.first - u64::from(since_mark);
    for tone in clock.tones() {
        let start = mark + u64::from(tone.start);
        if let Some(at) = stretch.frames_since(start, tone.frames) {
            Beep { step: phase_step(tone.hz as f64), frames: tone.frames }.add(at, stretch);
        }
    }
}

/// Plays the notes that sound in this stretch. Their order is that of the sums, hence part of the bytes.
fn play_music(stretch: &mut Stretch) {
    let bar = stretch.first / BAR;
    for bar in bar.saturating_sub(1)..=bar {
        play_chord(bar, stretch);
    }
    let step = stretch.first / u64::from(STEP);
    let longest = u64::from((PLUCK_FRAMES + ECHO_DELAY).div_ceil(STEP));
    for step in step.saturating_sub(longest)..=step {
        play_melody(step, stretch);
    }
}

fn play_chord(bar: u64, stretch: &mut Stretch) {
    let chord = chord_of(bar);
    let start = bar * BAR;
    let frames = low_u32(BAR) + PAD_FADE;
    if let Some(at) = stretch.frames_since(start, frames) {
        for pitch in chord.pad {
            Pad { step: pitch.phase_step(), frames }.add(at, stretch);
        }
    }
    for (half, pitch) in chord.bass.into_iter().enumerate() {
        let start = start + half as u64 * BAR / 2;
        if let Some(at) = stretch.frames_since(start, BASS_FRAMES) {
            Pluck::bass(pitch.phase_step(), BASS_GAIN).add(at, stretch);
        }
    }
}

fn play_melody(step: u64, stretch: &mut Stretch) {
    let Some(note) = melody(step) else { return };
    let start = step * u64::from(STEP);
    let (near, far) = (note.gain * (1.0 + note.side), note.gain * (1.0 - note.side));
    if let Some(at) = stretch.frames_since(start, PLUCK_FRAMES) {
        Pluck::string(note.pitch.phase_step(), [near, far]).add(at, stretch);
    }
    if let Some(at) = stretch.frames_since(start + u64::from(ECHO_DELAY), PLUCK_FRAMES) {
        Pluck::string(note.pitch.phase_step(), [far * ECHO_GAIN, near * ECHO_GAIN]).add(at, stretch);
    }
}

/// The white keys: the only notes of the piece.
#[derive(Clone, Copy)]
enum Key {
    C,
    D,
    E,
    F,
    G,
    A,
    B,
}

#[derive(Clone, Copy)]
struct Pitch(Key, u32);

impl Pitch {
    /// The key in octave 8, halved down to its octave: whole numbers all the way, no `powf`.
    const fn phase_step(self) -> u32 {
        let Self(key, octave) = self;
        let top = match key {
            Key::C => phase_step(4186.009),
            Key::D => phase_step(4698.636),
            Key::E => phase_step(5274.041),
            Key::F => phase_step(5587.652),
            Key::G => phase_step(6271.927),
            Key::A => phase_step(7040.0),
            Key::B => phase_step(7902.133),
        };
        top >> 8_u32.saturating_sub(octave)
    }
}

struct Chord {
    pad: [Pitch; 4],
    /// Of the bar's first and second half.
    bass: [Pitch; 2],
}

/// Four bars make a round from home and back; each has two chords to choose from.
fn chord_of(bar: u64) -> Chord {
    use Key::{A, B, C, D, E, F, G};
    let chord = |pad: [(Key, u32); 4], bass: [(Key, u32); 2]| Chord {
        pad: pad.map(|(key, octave)| Pitch(key, octave)),
        bass: bass.map(|(key, octave)| Pitch(key, octave)),
    };
    let second = chance(bar, Dice::Chord) & 1 == 1;
    match (bar % 4, second) {
        (0, false) => chord([(G, 3), (C, 4), (D, 4), (E, 4)], [(C, 2), (G, 2)]),
        (0, true) => chord([(G, 3), (A, 3), (C, 4), (E, 4)], [(A, 2), (E, 2)]),
        (1, false) => chord([(A, 3), (C, 4), (E, 4), (G, 4)], [(F, 2), (C, 2)]),
        (1, true) => chord([(A, 3), (C, 4), (D, 4), (F, 4)], [(D, 2), (A, 2)]),
        (2, false) => chord([(A, 3), (C, 4), (E, 4), (G, 4)], [(A, 2), (C, 2)]),
        (2, true) => chord([(G, 3), (B, 3), (D, 4), (E, 4)], [(E, 2), (B, 2)]),
        (_, false) => chord([(G, 3), (A, 3), (D, 4), (G, 4)], [(G, 2), (D, 2)]),
        (_, true) => chord([(F, 3), (A, 3), (C, 4), (G, 4)], [(F, 2), (G, 2)]),
    }
}

struct Note {
    pitch: Pitch,
    gain: f32,
    /// Where it stands: -1 right, 0 middle, 1 left.
    side: f32,
}

/// The note plucked at this step (of half a second), if one is.
fn melody(step: u64) -> Option<Note> {
    let (bar, place) = (step / STEPS_IN_BAR, step % STEPS_IN_BAR);
    let motif = bar / 8 * 2 + bar % 2;
    let likely = match place % 4 {
        0 => 80,
        2 => 60,
        _ => 30,
    };
    let plucked = chance(motif * STEPS_IN_BAR + place, Dice::Pluck) % 100 < likely;
    let left_out = chance(step, Dice::LeaveOut).is_multiple_of(5);
    (plucked && !left_out).then(|| Note {
        pitch: pentatonic(fold(walk(motif, place))),
        gain: PLUCK_GAIN * (0.7 + 0.3 * fraction(chance(step, Dice::Loudness))),
        side: 1.2 * (fraction(chance(step, Dice::Side)) - 0.5),
    })
}

/// The melody wanders from a bar's beginning up to `place`, by small intervals.
fn walk(motif: u64, place: u64) -> u64 {
    let start = 4 + chance(motif, Dice::Start) % 4;
    // An interval of -2 to 2 is 16 to 20 here: `fold` takes its argument modulo 18.
    let intervals = (1..=place).map(|place| 16 + chance(motif * STEPS_IN_BAR + place, Dice::Interval) % 5);
    start + intervals.sum::<u64>()
}

/// Turns a wanderer back at the ends of 0..=9.
fn fold(place: u64) -> u64 {
    let place = place % 18;
    place.min(18 - place)
}

/// The degree 0..=9 of the scale from C4 to A5.
fn pentatonic(degree: u64) -> Pitch {
    let key = match degree % 5 {
        0 => Key::C,
        1 => Key::D,
        2 => Key::E,
        3 => Key::G,
        _ => Key::A,
    };
    Pitch(key, 4 + low_u32(degree / 5))
}

/// What a number drawn by chance is for, so that no two choices in one place agree by construction.
#[derive(Clone, Copy)]
enum Dice {
    Chord = 1,
    Pluck,
    LeaveOut,
    Start,
    Interval,
    Loudness,
    Side,
}

/// A number by chance that is always the same for the same place (the finalizer of SplitMix64).
const fn chance(place: u64, dice: Dice) -> u64 {
    let z = (place.wrapping_mul(8).wrapping_add(dice as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// From 0 to 1.
fn fraction(chance: u64) -> f32 {
    (chance >> 48) as f32 / 65536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: usize = RATE as usize;
    const UNIT: usize = UNIT_FRAMES as usize;

    fn bytes(first: u64, frames: usize) -> Vec<u8> {
        let mut out = Vec::new();
        render(first, frames, &mut out);
        out
    }

    /// Frames of left and right, full scale 1.
    fn frames(first: u64, frames: usize) -> Vec<[f32; 2]> {
        let value = |low, high| f32::from(i16::from_le_bytes([low, high])) / 32768.0;
        bytes(first, frames).chunks_exact(4).map(|b| [value(b[0], b[1]), value(b[2], b[3])]).collect()
    }

    fn left(first: u64, count: usize) -> Vec<f32> {
        frames(first, count).into_iter().map(|[left, _]| left).collect()
    }

    /// The amplitude of a tone in these samples (Goertzel's filter).
    fn amplitude(samples: &[f32], hz: u32) -> f32 {
        let turn = std::f32::consts::TAU * hz as f32 / RATE as f32;
        let (s1, s2) = samples.iter().fold((0.0, 0.0), |(s1, s2), x| (x + 2.0 * turn.cos() * s1 - s2, s1));
        2.0 * (s1 * s1 + s2 * s2 - 2.0 * turn.cos() * s1 * s2).max(0.0).sqrt() / samples.len() as f32
    }

    /// The clock's tone in this unit, if there is one.
    fn tone_of(unit: &[f32]) -> Option<u32> {
        [TICK_HZ, MINUTE_HZ, TENS_HZ].into_iter().find(|hz| amplitude(unit, *hz) > 0.2)
    }

    /// Reads the clock as the module's head tells a program to.
    fn heard_at(mark: u64) -> Clock {
        let heard: Vec<_> = left(mark, CLOCK_FRAMES as usize).chunks(UNIT).map(tone_of).collect();
        assert_eq!(heard[0], Some(TICK_HZ), "no tick at frame {mark}");
        let digit = |hz| {
            let runs = heard.chunk_by(|a, b| a == b).filter(|run| run[0] == Some(hz));
            runs.map(|run| if run.len() == 3 { 5 } else { 1 }).sum()
        };
        Clock { minute: digit(MINUTE_HZ), tens: digit(TENS_HZ) }
    }

    #[test]
    fn any_split_gives_the_same_bytes() {
        let (first, length) = (MARK_FRAMES * 4 - 20_000, 2 * SECOND);
        let whole = bytes(first, length);
        for sizes in [[1, 7, 481], [480, 960, 13], [4_800, 1_152, 4_799], [50_000, 3, 11]] {
            let (mut split, mut at) = (Vec::new(), 0);
            for size in sizes.into_iter().cycle() {
                let size = size.min(length - at);
                render(first + at as u64, size, &mut split);
                at += size;
                if at == length {
                    break;
                }
            }
            assert!(split == whole, "split by {sizes:?}");
        }
    }

    #[test]
    fn a_frame_is_four_bytes_and_out_is_appended_to() {
        let mut out = vec![9, 9];
        render(77, 0, &mut out);
        assert_eq!(out, [9, 9]);
        render(77, 1001, &mut out);
        assert_eq!(out.len(), 2 + 1001 * 4);
        assert_eq!(out[2..], bytes(77, 1001));
    }

    /// Also says that the bytes are the same on every machine. Change the number when you change the music.
    #[test]
    fn the_bytes_are_these() {
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let some = [0, 7 * BAR - 1000, 361 * MARK_FRAMES].map(|first| bytes(first, SECOND)).concat();
        assert_eq!(some.iter().fold(0xcbf2_9ce4_8422_2325, fnv), 687_638_805_633_308_263);
    }

    #[test]
    fn every_clock_of_ten_minutes_can_be_read() {
        for mark in 0..60 {
            let said = clock_at(mark * MARK_FRAMES);
            assert_eq!(u64::from(said.minute * 6 + said.tens), mark);
            assert_eq!(heard_at(mark * MARK_FRAMES), said);
        }
    }

    #[test]
    fn the_clock_can_be_read_days_into_the_recording() {
        let mark = (3 * 86_400 + 7 * 60 + 40) / 10 * MARK_FRAMES;
        assert_eq!(heard_at(mark), Clock { minute: 7, tens: 4 });
        assert_eq!(clock_at(mark - 1), Clock { minute: 7, tens: 3 });
    }

    #[test]
    fn the_tones_are_as_the_head_of_the_module_draws_them() {
        let said = Clock { minute: 7, tens: 4 }.tones();
        let drawn: Vec<_> = said.map(|t| (t.hz, t.start / UNIT_FRAMES, t.frames / UNIT_FRAMES)).collect();
        let [low, high] = [MINUTE_HZ, TENS_HZ];
        let minute = [(TICK_HZ, 0, 1), (low, 4, 3), (low, 8, 1), (low, 10, 1)];
        assert_eq!(drawn[..4], minute);
        assert_eq!(drawn[4..], [(high, 14, 1), (high, 16, 1), (high, 18, 1), (high, 20, 1)]);
    }

    #[test]
    fn the_clock_never_speaks_longer_than_it_promises() {
        let longest = (0..60).map(|mark| clock_at(mark * MARK_FRAMES).frames()).max();
        assert_eq!(longest, Some(CLOCK_FRAMES));
    }

    #[test]
    fn the_tick_begins_exactly_on_the_mark() {
        for mark in [1, 4, 29] {
            let window = 96; // 2 ms: two periods of the tick
            let around = left(mark * MARK_FRAMES - 96, 3 * window);
            let [before, at, after] =
                [0, 1, 2].map(|i| amplitude(&around[i * window..(i + 1) * window], TICK_HZ));
            assert!(before < 0.04 && at > 0.1 && after > 0.25, "mark {mark}: {before}, {at}, {after}");
        }
    }

    #[test]
    fn the_music_alone_is_never_taken_for_the_clock() {
        for mark in 0..6 {
            let spoken = clock_at(mark * MARK_FRAMES).frames();
            let music = left(mark * MARK_FRAMES + u64::from(spoken), 10 * SECOND - spoken as usize);
            let heard = music.chunks_exact(UNIT).find_map(tone_of);
            assert_eq!(heard, None, "after mark {mark}");
        }
    }

    #[test]
    fn the_level_is_sound() {
        let minute = frames(0, 60 * SECOND);
        for channel in [0, 1] {
            let samples = || minute.iter().map(|frame| frame[channel]);
            let peak = samples().fold(0.0, |peak: f32, x| peak.max(x.abs()));
            assert!((0.4..0.71).contains(&peak), "peak {peak}: not between -8 and -3 dBFS");
            let mean = samples().map(f64::from).sum::<f64>() / minute.len() as f64;
            assert!(mean.abs() < 1e-5, "DC of {mean}");
            // The steepest of the clock goes 0.063 a frame. A click would be a jump.
            let jump =
                samples().zip(samples().skip(1)).fold(0.0, |jump: f32, (a, b)| jump.max((a - b).abs()));
            assert!(jump < 0.08, "a jump of {jump}");
        }
    }

    #[test]
    fn there_is_sound_everywhere_and_some_width() {
        for (second, frames) in frames(0, 60 * SECOND).chunks(SECOND).enumerate() {
            let power =
                |of: fn(&[f32; 2]) -> f32| frames.iter().map(|f| of(f).powi(2)).sum::<f32>() / SECOND as f32;
            assert!(power(|f| f[0]) > 1e-4, "second {second} is silent");
            assert!(power(|f| f[0] - f[1]) > 1e-6, "second {second} is mono");
        }
    }

    #[test]
    fn the_melody_stays_in_its_two_octaves_and_turns_back_at_their_ends() {
        let degrees: Vec<_> = (0..40).map(fold).collect();
        assert!(degrees.iter().all(|degree| *degree <= 9));
        assert!(degrees.windows(2).all(|pair| pair[0].abs_diff(pair[1]) == 1));
    }
}
