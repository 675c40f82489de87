//! The bytes of an answer, as a stream: head, pairs, tail.
//!
//! It is made in turns of bounded size. One that follows a pyramid gives what is there and waits for the rest, so that
//! the first bytes of a long recording's waveform go out while its last hour is still being read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::{Stream, stream};

use super::pyramid::block_for;
use super::store::{Follower, Waveforms};
use super::walk::{Gather, Walk};
use super::{Form, View, WaveformError};

/// How much shorter a stretch is to be than what the pyramid lacks up to its end, so that it is read rather than waited
/// for.
const MUCH_SHORTER: u64 = 8;

/// Makes an answer.
#[derive(Debug)]
pub struct WaveformBody {
    waveforms: Arc<Waveforms>,
    view: View,
    form: Form,
    walk: Walk,
    gather: Gather,
    follower: Option<Follower>,
    part: Part,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    FirstPairs,
    Pairs,
    Nothing,
}

/// What an answer goes on with, and what a turn of it gave.
struct Turn {
    follower: Option<Follower>,
    walk: Walk,
    gather: Gather,
    /// The pairs of the pixels that became complete; `None` if there is nothing yet to take.
    pairs: Option<Vec<u8>>,
}

impl WaveformBody {
    /// The whole of a view in a form.
    pub fn new(waveforms: Arc<Waveforms>, view: View, form: Form) -> Self {
        let meter = view.meter();
        let walk = Walk::new(meter, view.samples_per_pixel(), view.window().frames.clone());
        Self { waveforms, view, form, walk, gather: Gather::new(meter), follower: None, part: Part::Head }
    }

    /// The bytes as a stream that ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, WaveformError>> {
        stream::try_unfold(self, async |mut body| {
            let bytes = body.next().await?;
            Ok(bytes.map(|bytes| (bytes, body)))
        })
    }

    /// The next bytes, or `None` at the end.
    ///
    /// # Errors
    /// When the recording is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, WaveformError> {
        match self.part {
            Part::Head => {
                self.begin().await?;
                self.part = Part::FirstPairs;
                Ok(Some(self.form.head(&self.view).into()))
            }
            Part::FirstPairs | Part::Pairs => match self.pairs().await? {
                Some(pairs) => Ok(Some(pairs)),
                None => {
                    self.part = Part::Nothing;
                    Ok(Some(Bytes::from_static(self.form.tail())))
                }
            },
            Part::Nothing => Ok(None),
        }
    }

    /// Takes up the pyramid, if it is of use.
    async fn begin(&mut self) -> Result<(), WaveformError> {
        let (waveforms, view) = (Arc::clone(&self.waveforms), self.view.clone());
        let begin = move || wants_pyramid(&waveforms, &view).then(|| waveforms.follow(&view));
        self.follower = self.waveforms.turn(begin).await?;
        Ok(())
    }

    /// The pairs of the next pixels; `None` behind the last.
    async fn pairs(&mut self) -> Result<Option<Bytes>, WaveformError> {
        while !self.walk.is_over() {
            let Turn { follower, walk, gather, pairs } = self.turn().await?;
            (self.follower, self.walk, self.gather) = (follower, walk, gather);
            match (pairs, &mut self.follower) {
                (Some(pairs), _) if !pairs.is_empty() => {
                    self.part = Part::Pairs;
                    return Ok(Some(pairs.into()));
                }
                (None, Some(follower)) => follower.more().await?,
                _ => {}
            }
        }
        Ok(None)
    }

    /// Plans a turn, reads what it takes, where that may take its time, and puts it together. Not on the encoders' threads,
    /// where it would wait for what they code: somebody waits for it, and it is little.
    async fn turn(&mut self) -> Result<Turn, WaveformError> {
        let (waveforms, recording) = (Arc::clone(&self.waveforms), Arc::clone(self.view.recording()));
        let (mut walk, mut gather, mut follower) = (self.walk, self.gather.clone(), self.follower.take());
        let (form, bits, first) = (self.form, self.view.bits(), self.part == Part::FirstPairs);
        let work = move || {
            let plan = match &mut follower {
                Some(follower) => follower.plan(&mut walk),
                None => walk.plan(None),
            };
            let mut bytes = Vec::new();
            recording.read_each(plan.reads(), &mut bytes)?;
            waveforms.counters().read.fetch_add(plan.frames_read(), Ordering::Relaxed);
            let pairs = (!plan.is_empty()).then(|| form.pairs(bits, first, &gather.take(&plan, &bytes)));
            Ok(Turn { follower, walk, gather, pairs })
        };
        self.waveforms.turn(work).await?
    }
}

/// Whether a pyramid is of use: not where pixels are shorter than its blocks, nor for a short stretch far behind what
/// there is of it.
fn wants_pyramid(waveforms: &Waveforms, view: &View) -> bool {
    let block = block_for(view.extent().frames, view.meter().lanes());
    let (frames, there) = (&view.window().frames, waveforms.there(view));
    let missing = frames.end.saturating_sub(there);
    let to_read = frames.end - frames.start.max(there).min(frames.end);
    let far = missing > 0 && to_read.saturating_mul(MUCH_SHORTER) <= missing;
    u64::from(view.samples_per_pixel()) >= block && !frames.is_empty() && !far
}
