//! Recordings that are sent here: who may, what comes, and how it gets into the folder.
//!
//! | module | what is there |
//! |---|---|
//! | `access` | who may write |
//! | `kind` | what a body says it is |
//! | `coded` | what comes coded, decoded as it comes |
//! | `source` | what Icecast's encoders send, recorded |
//! | `sink` | a recording's file, to which one writer at a time appends |
//! | `store` | the folder: sidecars, names, removal |

pub(crate) mod access;
pub(crate) mod coded;
pub(crate) mod kind;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod store;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};

use access::Writers;
use source::Sources;

use crate::access::Tokens;
use crate::recording::RecordingName;

/// What those who write are held to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The tokens of which writing takes one.
    pub tokens: Option<Tokens>,
    /// When what came is to be on the disk.
    pub sync: Sync,
    /// Bytes that one recording may have.
    pub most: Option<u64>,
    /// Bytes of the disk that are left free.
    pub keep_free: u64,
}

/// When what came is to be on the disk, and not only in the system's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When the system sees fit.
    Never,
    /// When a body has ended.
    End,
    /// So often, and when a body has ended.
    Every(Duration),
}

/// What is told whoever writes when another has [taken over](Ingest::take_over).
pub(crate) const TAKEN_OVER: &str = "another connection has gone on with the recording";

/// What all who write share.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(crate) writers: Writers,
    pub(crate) settings: Settings,
    pub(crate) sources: Sources,
    slots: Mutex<HashMap<RecordingName, Arc<Slot>>>,
    /// Held while a sidecar or a name is changed: what is read first has to be so still.
    editing: Mutex<()>,
}

/// The place of a recording's only writer.
#[derive(Debug)]
struct Slot {
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Goes up when somebody takes over.
    turn: watch::Sender<u64>,
}

/// That one is a recording's only writer.
#[derive(Debug)]
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
    slot: Arc<Slot>,
    mine: u64,
}

impl Ingest {
    pub(crate) fn new(settings: &Settings, listen: SocketAddr, public_url: Option<&str>) -> Arc<Self> {
        let writers = Writers::new(settings.tokens.clone(), listen, public_url);
        let (sources, slots, editing) = (Sources::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { writers, settings: settings.clone(), sources, slots, editing })
    }

    fn slot(&self, name: &RecordingName) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        // Who writes has a copy.
        slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        let new = || Arc::new(Slot { writing: Arc::default(), turn: watch::Sender::new(0) });
        Arc::clone(slots.entry(name.clone()).or_insert_with(new))
    }

    /// The turn to write, if nobody has it.
    pub(crate) fn turn(&self, name: &RecordingName) -> Option<Turn> {
        let slot = self.slot(name);
        let guard = Arc::clone(&slot.writing).try_lock_owned().ok()?;
        let mine = *slot.turn.borrow();
        Some(Turn { _guard: guard, slot, mine })
    }

    /// The turn to write, which whoever has it is told to give up: his connection may be dead, and nobody knows.
    pub(crate) async fn take_over(&self, name: &RecordingName) -> Turn {
        let slot = self.slot(name);
        let mut mine = 0;
        slot.turn.send_modify(|turn| {
            *turn += 1;
            mine = *turn;
        });
        let guard = Arc::clone(&slot.writing).lock_owned().await;
        Turn { _guard: guard, slot, mine }
    }
}

impl Turn {
    /// Whether somebody has taken over.
    pub(crate) fn is_taken(&self) -> bool {
        *self.slot.turn.borrow() != self.mine
    }

    /// Waits until somebody takes over, who may have done so already.
    pub(crate) fn taken(&self) -> impl Future<Output = ()> + Send + 'static {
        let (mut turn, mine) = (self.slot.turn.subscribe(), self.mine);
        async move {
            if turn.wait_for(|turn| *turn != mine).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
