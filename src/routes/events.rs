//! `GET /events` and `/recordings/{name}/events`: what changes, as it does (Server-Sent Events), so that pages do not ask.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::headers::UNBUFFERED;
use super::summary::{Summary, Unusable, of_entries};
use super::{App, fresh};
use crate::access::{Pass, Watcher};
use crate::error::Problem;
use crate::recording::{Changes, Extent, Recording};
use crate::stopped;

/// The shortest time between two events of one recording.
const TICK: Duration = Duration::from_millis(200);
/// How often a connection on which nothing happens is shown to be alive, so that proxies and clients keep it.
const BEAT: Duration = Duration::from_secs(15);
/// How soon a client is to come again that has lost its connection.
const RETRY: Duration = Duration::from_secs(2);
/// Changes that are told one by one; when there are more, the list is as soon fetched anew.
const MOST_CHANGES: usize = 200;

/// What changed in the list.
#[derive(Debug, Serialize)]
struct ListChanges {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recordings: Vec<Summary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unusable: Vec<Unusable>,
    /// Names that are no longer there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<String>,
    total: usize,
}

/// Changes in the list of recordings.
pub async fn of_list(State(app): State<App>, pass: Pass) -> Result<Response, Problem> {
    // What has changed since then is news: a client asks for the list when it sees this answer begin.
    app.catalogue.list(&pass).await?;
    let changes = app.catalogue.watch_list(&pass)?;
    Ok(told(stream::unfold((changes, app.stop), async |(mut changes, mut stop)| {
        let event = next_of_list(&mut changes, &mut stop).await?;
        Some((Ok(event), (changes, stop)))
    })))
}

async fn next_of_list(changes: &mut Watcher, stop: &mut watch::Receiver<bool>) -> Option<Event> {
    let received = tokio::select! {
        received = changes.recv() => received,
        () = stopped(stop) => return None,
    };
    match received {
        Ok(changes) if changes.changed.len() + changes.gone.len() <= MOST_CHANGES => {
            Some(event("changes", &list_changes(&changes)))
        }
        Ok(_) | Err(RecvError::Lagged(_)) => Some(Event::default().event("reload").data("{}")),
        Err(RecvError::Closed) => None,
    }
}

fn list_changes(changes: &Changes) -> ListChanges {
    let (recordings, unusable) = of_entries(&changes.changed);
    let gone = changes.gone.iter().map(ToString::to_string).collect();
    ListChanges { recordings, unusable, gone, total: changes.total }
}

/// What becomes of one recording, first how it is.
pub fn of_recording(app: App, pass: Pass, recording: Arc<Recording>) -> Response {
    let extent = recording.subscribe();
    app.catalogue.follow(&recording, &extent);
    let watching = Watching { pass, recording, extent, stop: app.stop, told: None };
    told(stream::unfold(Some(watching), async |watching| watching?.next().await))
}

/// Somebody to whom a recording's changes are told.
struct Watching {
    pass: Pass,
    recording: Arc<Recording>,
    extent: watch::Receiver<Extent>,
    stop: watch::Receiver<bool>,
    /// When they were last.
    told: Option<Instant>,
}

impl Watching {
    /// The next event, and what follows it.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Option<Self>)> {
        if let Some(told) = self.told {
            self.wait(told + TICK).await?;
        }
        let begun = self.told.is_none();
        self.told = Some(Instant::now());
        // Whatever comes after this is news.
        self.extent.mark_unchanged();
        let (event, next) = match self.pass.still(&self.recording) {
            Ok(status) => (event("status", &Summary::of(&status)), Some(self)),
            Err(error) => (event("lost", &Problem::from(error)), None),
        };
        Some((Ok(if begun { event.retry(RETRY) } else { event }), next))
    }

    /// Waits for news, and until they are due; `None` when the server stops.
    async fn wait(&mut self, due: Instant) -> Option<()> {
        let news = async {
            let _ = self.extent.changed().await;
            sleep_until(due).await;
        };
        tokio::select! {
            () = news => Some(()),
            () = stopped(&mut self.stop) => None,
        }
    }
}

/// A named event with its data as JSON.
fn event(name: &str, data: &impl Serialize) -> Event {
    Event::default().event(name).data(serde_json::to_string(data).unwrap_or_default())
}

/// An answer that goes on for as long as its events do.
fn told(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let mut response = fresh(Sse::new(events).keep_alive(KeepAlive::new().interval(BEAT)));
    response.headers_mut().insert(UNBUFFERED.0, UNBUFFERED.1);
    response
}
