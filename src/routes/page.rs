//! `/` and `/play/{name}`: the pages, as far as they are there without a script.
//!
//! What a script adds is in `web/`. There is one template for each thing: the list's script takes rows from here too.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::list::{self, ListQuery, Page};
use super::player::player;
use super::summary::{page_path, with_query};
use super::words::{clock, live, title, when};
use super::{App, FromPath, assets, fresh, query};
use crate::access::Pass;
use crate::error::Problem;
use crate::recording::Entry;

/// Nothing but what is served from here. Others may show a player in a frame of theirs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors *";

/// The script of the page of all recordings.
const LIST: &str = "list.js";

/// The list of recordings, newest first.
pub async fn index(
    State(app): State<App>,
    pass: Result<Pass, Problem>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Response {
    let listed = async {
        let query = query::checked(query)?;
        Ok::<_, Problem>((list::find(&app, &pass?, &query).await?, query))
    };
    match listed.await {
        Ok((page, query)) => kept(document("Recordings", LIST, &list_of(&page, &query))),
        Err(problem) => refusal(problem),
    }
}

/// The player of one recording.
pub async fn play(
    State(app): State<App>,
    pass: Result<Pass, Problem>,
    path: Result<FromPath<String>, Problem>,
) -> Response {
    let found = async {
        let (FromPath(name), pass) = (path?, pass?);
        Ok::<_, Problem>((app.find(&pass, &name).await?.status()?, pass))
    };
    match found.await {
        Ok((status, pass)) => kept(document(&title(&status), "play.js", &player(&status, &pass))),
        Err(problem) => refusal(problem),
    }
}

fn document(title: &str, script: &str, content: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href=(assets::path("icon.svg"));
                @if script == LIST {
                    link rel="alternate" type="application/rss+xml" title="Podcast" href="/feed.xml";
                }
                link rel="stylesheet" href=(assets::path("style.css"));
                script type="module" src=(assets::path(script)) {}
            }
            body { (content) }
        }
    };
    let mut response = fresh(page.into_string());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// A page that is asked for anew, but may be kept: a browser has at once, as it was, what one comes back to.
fn kept(mut page: Response) -> Response {
    page.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    page
}

/// A problem for somebody who looks at a page.
fn refusal(problem: Problem) -> Response {
    let (status, [title, detail]) = (problem.status(), problem.words());
    let content = html! {
        header { a href="/" { "All recordings" } }
        main {
            h1 { (title) }
            p.error { (detail) }
            @if status == StatusCode::SERVICE_UNAVAILABLE { p { "Try again in a moment." } }
        }
    };
    let page = document(title, LIST, &content);
    // As programs are told of it, but for the words.
    let mut response = problem.into_response();
    response.headers_mut().extend(page.headers().clone());
    *response.body_mut() = page.into_body();
    response
}

fn list_of(page: &Page, query: &ListQuery) -> Markup {
    let searched = query.q.as_deref().unwrap_or_default();
    html! {
        main {
            h1 { "Recordings" }
            form #search role="search" {
                input type="search" name="q" value=(searched) placeholder="Search by title or name"
                    aria-label="Search by title or name";
                button { "Search" }
            }
            p #count role="status" { (count(page.total, searched)) }
            @if query.after.is_some() {
                p { a rel="first" href=(list_path(None, query)) { "To the newest" } }
            }
            ul #recordings { @for entry in &page.entries { (row(entry)) } }
            @if let Some(next) = &page.next {
                p { a #more rel="next" href=(list_path(Some(next), query)) { "Show more" } }
            }
        }
    }
}

/// The address of another page of what a query asks for.
fn list_path(after: Option<&str>, query: &ListQuery) -> String {
    with_query("/", &[("after", after), ("q", query.q.as_deref()), ("limit", query.limit.as_deref())])
}

fn count(total: usize, searched: &str) -> String {
    match (total, searched.is_empty()) {
        (0, true) => "There are none yet. They appear here as soon as a recorder writes one.".to_owned(),
        (0, false) => format!("Nothing has “{searched}” in its title or name."),
        (1, _) => "1 recording".to_owned(),
        (more, _) => format!("{more} recordings"),
    }
}

fn row(entry: &Entry) -> Markup {
    let status = match &entry.told {
        Ok(status) => status,
        Err(error) => {
            return html! { li data-name=(entry.name) { strong { (entry.name) } p.error { (error) } } };
        }
    };
    html! {
        li data-name=(entry.name) {
            a href=(page_path(&status.name)) { (title(status)) } " "
            (live(status))
            p { span.length { (clock(status.duration())) } @if let Some(when) = when(status) { " · " (when) } }
        }
    }
}
