//! What the piece is played on: a plucked string, a pad and the clock's beep, mixed into a stretch of stereo.

/// Frames per second.
pub const RATE: u32 = 48_000;

/// The notes that sound do not change within a cell, 10 ms; all notes begin and end at its multiples.
pub(super) const CELL: u32 = RATE / 100;

pub(super) const PLUCK_FRAMES: u32 = 3 * RATE;
pub(super) const BASS_FRAMES: u32 = 5 * RATE;
/// A chord fades in while the one before it fades out.
pub(super) const PAD_FADE: u32 = 2 * RATE;

const PAD_GAIN: f32 = 0.045;
const CLOCK_GAIN: f32 = 0.32;

const DUCKED: f32 = 0.125;
const DUCK_FADE_IN: u32 = RATE / 5;
const DUCK_FADE_OUT: u32 = RATE * 3 / 5;

/// A few frames of sound, all within one cell.
#[derive(Default)]
pub(super) struct Stretch {
    pub(super) first: u64,
    left: Vec<f32>,
    right: Vec<f32>,
}

impl Stretch {
    pub(super) fn clear(&mut self, first: u64, len: u64) {
        self.first = first;
        for channel in [&mut self.left, &mut self.right] {
            channel.clear();
            channel.resize(low_u32(len) as usize, 0.0);
        }
    }

    /// How far into a sound this stretch begins, if the sound is there.
    pub(super) fn frames_since(&self, start: u64, frames: u32) -> Option<u32> {
        let since = self.first.checked_sub(start)?;
        (since < u64::from(frames)).then(|| low_u32(since))
    }

    /// Adds one sound to both channels.
    fn add_centred(&mut self, sound: impl Fn(u32) -> f32) {
        for (i, (left, right)) in (0..).zip(self.left.iter_mut().zip(&mut self.right)) {
            let sample = sound(i);
            *left += sample;
            *right += sample;
        }
    }

    /// Lowers what is there from a little before a mark until the clock has spoken. In frames: since the mark, from
    /// it to the end of what is spoken, and to the next one.
    pub(super) fn duck(&mut self, since_mark: u32, spoken: u32, marks: u32) {
        let (mark, ends) = (marks as f32, spoken as f32);
        if since_mark > spoken + DUCK_FADE_OUT && since_mark + DUCK_FADE_IN + CELL < marks {
            return;
        }
        for (i, (left, right)) in (0_u32..).zip(self.left.iter_mut().zip(&mut self.right)) {
            let at = (since_mark + i) as f32;
            let rise = ((at - ends) * (1.0 / DUCK_FADE_OUT as f32)).clamp(0.0, 1.0);
            let fall = ((mark - at) * (1.0 / DUCK_FADE_IN as f32)).clamp(0.0, 1.0);
            let gain = DUCKED + (1.0 - DUCKED) * smooth(rise) * smooth(fall);
            *left *= gain;
            *right *= gain;
        }
    }

    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        for (left, right) in self.left.iter().zip(&self.right) {
            let ([a, b], [c, d]) = (sample(*left).to_le_bytes(), sample(*right).to_le_bytes());
            out.extend_from_slice(&[a, b, c, d]);
        }
    }
}

/// Rounds to the nearest, as `f32::round` without SSE 4.1 is a function call.
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates, which is the wanted clipping")]
fn sample(value: f32) -> i16 {
    (value * 32767.0 + 0.5_f32.copysign(value)) as i16
}

/// A string that is plucked once: it dies away, the upper partials first.
pub(super) struct Pluck {
    step: u32,
    frames: u32,
    attack: u32,
    partials: [f32; 3],
    left: f32,
    right: f32,
}

impl Pluck {
    pub(super) const fn string(step: u32, [left, right]: [f32; 2]) -> Self {
        let partials = [0.8, 0.2, 0.1];
        Self { step, frames: PLUCK_FRAMES, attack: CELL / 2, partials, left, right }
    }

    pub(super) const fn bass(step: u32, gain: f32) -> Self {
        let partials = [0.7, 0.4, 0.15];
        Self { step, frames: BASS_FRAMES, attack: CELL * 4, partials, left: gain, right: gain }
    }

    pub(super) fn add(&self, at: u32, stretch: &mut Stretch) {
        let [first, second, third] = self.partials;
        let (per_frame, per_attack) = (1.0 / self.frames as f32, 1.0 / self.attack as f32);
        for (i, (left, right)) in (0_u32..).zip(stretch.left.iter_mut().zip(&mut stretch.right)) {
            let now = at + i;
            let phase = now.wrapping_mul(self.step);
            let time = now.cast_signed() as f32;
            // (1 - t)^4 is close to an exponential decay, and reaches zero.
            let rest = 1.0 - time * per_frame;
            let decay = (rest * rest) * (rest * rest);
            let upper = second * sine(phase << 1) + decay * third * sine(phase.wrapping_mul(3));
            let string = (time * per_attack).min(1.0) * decay * (first * sine(phase) + decay * upper);
            *left += self.left * string;
            *right += self.right * string;
        }
    }
}

/// A soft tone that swells, stays and goes; left and right are a little out of tune, which makes it wide.
pub(super) struct Pad {
    pub(super) step: u32,
    pub(super) frames: u32,
}

impl Pad {
    pub(super) fn add(&self, at: u32, stretch: &mut Stretch) {
        let detune = self.step >> 10;
        let (step_left, step_right) = (self.step + detune, self.step - detune);
        for (i, (left, right)) in (0_u32..).zip(stretch.left.iter_mut().zip(&mut stretch.right)) {
            let now = at + i;
            let gain = PAD_GAIN * swell(now, self.frames, PAD_FADE);
            *left += gain * Self::wave(now.wrapping_mul(step_left));
            *right += gain * Self::wave(now.wrapping_mul(step_right));
        }
    }

    fn wave(phase: u32) -> f32 {
        sine(phase) + 0.25 * sine(phase << 1)
    }
}

/// A tone of the clock, its edges just soft enough not to click.
pub(super) struct Beep {
    pub(super) step: u32,
    pub(super) frames: u32,
}

impl Beep {
    pub(super) fn add(&self, at: u32, stretch: &mut Stretch) {
        stretch.add_centred(|i| {
            let now = at + i;
            CLOCK_GAIN * swell(now, self.frames, RATE / 500) * sine(now.wrapping_mul(self.step))
        });
    }
}

/// From 0 up to 1 in the first `fade` frames and back to 0 in the last.
fn swell(now: u32, frames: u32, fade: u32) -> f32 {
    let (now, frames) = (now.cast_signed(), frames.cast_signed());
    smooth((now.min(frames - now) as f32 * (1.0 / fade as f32)).clamp(0.0, 1.0))
}

/// The step from 0 to 1 whose slope is flat at both ends.
fn smooth(x: f32) -> f32 {
    x * x * (3.0 - 2.0 * x)
}

/// The sine of a phase in which 2^32 is a whole turn: a parabola, corrected once (0.1 % off at most).
fn sine(phase: u32) -> f32 {
    let x = phase.cast_signed() as f32 * (1.0 / 2_147_483_648.0);
    let y = 4.0 * x * (1.0 - x.abs());
    y * (0.775 + 0.225 * y.abs())
}

/// How far a tone's phase goes in a frame.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 < hz < RATE")]
pub(super) const fn phase_step(hz: f64) -> u32 {
    (hz / RATE as f64 * 4_294_967_296.0) as u32
}

/// For numbers that are small by construction (a remainder, a difference that was compared).
#[allow(clippy::cast_possible_truncation, reason = "callers pass values below 2^32")]
pub(super) const fn low_u32(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_a_sine() {
        for i in 0..1000_u32 {
            let phase = i.wrapping_mul(4_294_967);
            let exact = (f64::from(phase) / 4_294_967_296.0 * std::f64::consts::TAU).sin();
            assert!((f64::from(sine(phase)) - exact).abs() < 1.2e-3, "at {phase}");
        }
    }
}
