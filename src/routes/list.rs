//! `GET /recordings`: what there is, newest first, a page at a time.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::query;
use super::summary::{Summary, Unusable, of_entries};
use super::{App, blocking, fresh};
use crate::access::Pass;
use crate::error::Problem;
use crate::recording::{Entries, Entry, RecordingName, folded};

/// Entries of a page, unless `limit` says otherwise.
const LIMIT: usize = 100;
/// The most that it may say.
const MAX_LIMIT: usize = 1000;
/// Words that are searched for at most; each takes a look at every recording.
const MOST_WORDS: usize = 32;

#[derive(Debug, Serialize)]
struct List {
    recordings: Vec<Summary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unusable: Vec<Unusable>,
    /// How many match, on all pages.
    total: usize,
    /// What `after` is on the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What may stand behind the `?` of the list.
#[derive(Debug, Default, Deserialize)]
pub struct ListQuery {
    /// `next` of the page before.
    pub after: Option<String>,
    /// How many are wanted at most.
    pub limit: Option<String>,
    /// Words that are searched for.
    pub q: Option<String>,
}

/// A page of the recordings.
pub async fn list(
    State(app): State<App>,
    pass: Pass,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let page = find(&app, &pass, &query::checked(query)?).await?;
    let (recordings, unusable) = of_entries(&page.entries);
    Ok(fresh(Json(List { recordings, unusable, total: page.total, next: page.next })))
}

/// The page that a query asks for.
///
/// # Errors
/// When a parameter is not one, or the folder cannot be read.
pub async fn find(app: &App, pass: &Pass, query: &ListQuery) -> Result<Page, Problem> {
    let selection = Selection::of(query)?;
    let entries = app.catalogue.list(pass).await?;
    if selection.words.is_empty() {
        return Ok(selection.page(&entries));
    }
    Ok(blocking(move || selection.page(&entries)).await?)
}

/// All of these that match a query and can be had, and how many are wanted of them at most. (`after` is left alone.)
///
/// # Errors
/// When a parameter is not one.
pub(super) async fn usable(entries: Entries, query: &ListQuery) -> Result<(Vec<Arc<Entry>>, usize), Problem> {
    let selection = Selection::of(query)?;
    let limit = selection.limit;
    let choose = move || {
        let wanted = entries.iter().filter(|entry| entry.told.is_ok() && selection.matches(entry));
        wanted.cloned().collect()
    };
    Ok((blocking(choose).await?, limit))
}

/// Which part of the list is asked for.
struct Selection {
    words: Vec<String>,
    after: Option<Cursor>,
    limit: usize,
}

/// A part of the list.
pub struct Page {
    /// Its entries, newest first.
    pub entries: Vec<Arc<Entry>>,
    /// How many entries match, on all pages.
    pub total: usize,
    /// What `after` is on the next page, if there is one.
    pub next: Option<String>,
}

impl Selection {
    fn of(query: &ListQuery) -> Result<Self, Problem> {
        let limit = query::whole_number("limit", query.limit.as_deref())?.unwrap_or(LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::parameter("limit", format!("`{limit}` is not from 1 to {MAX_LIMIT}")));
        }
        let after = query.after.as_deref().map(str::parse).transpose()?;
        let text = folded(query.q.as_deref().unwrap_or_default());
        let words: BTreeSet<&str> = text.split_whitespace().collect();
        if words.len() > MOST_WORDS {
            let detail = format!("{} words are more than can be searched for ({MOST_WORDS})", words.len());
            return Err(Problem::parameter("q", detail));
        }
        Ok(Self { words: words.into_iter().map(str::to_owned).collect(), after, limit })
    }

    fn page(&self, list: &Entries) -> Page {
        let matching: Vec<&Arc<Entry>> = list.iter().filter(|entry| self.matches(entry)).collect();
        let is_behind = |entry: &&Arc<Entry>| {
            self.after.as_ref().is_none_or(|cursor| entry.is_behind(cursor.began, &cursor.name))
        };
        let mut behind = matching.iter().copied().filter(is_behind).cloned();
        let entries: Vec<Arc<Entry>> = behind.by_ref().take(self.limit).collect();
        let last = entries.last().filter(|_| behind.next().is_some());
        let next = last.map(|last| Cursor { began: last.began, name: last.name.clone() }.to_string());
        Page { total: matching.len(), next, entries }
    }

    /// Whether every word is in the name or the title.
    fn matches(&self, entry: &Entry) -> bool {
        self.words.iter().all(|word| entry.folded().contains(word))
    }
}

/// The last entry of a page, which says where the next one begins even when the entry has gone since.
struct Cursor {
    began: i64,
    name: RecordingName,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.began, self.name)
    }
}

impl FromStr for Cursor {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parse = || {
            let (began, name) = text.split_once(':')?;
            Some(Self { began: began.parse().ok()?, name: RecordingName::parse(name).ok()? })
        };
        let quoted: String = text.chars().take(60).collect();
        parse().ok_or_else(|| {
            Problem::parameter("after", format!("`{quoted}` is not what `next` said on a page before"))
        })
    }
}
