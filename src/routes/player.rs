//! The markup of a recording's page. Without a script there is a plain `<audio>`, and links to the files; the script
//! (`web/play.js`) shows the rest, which is hidden until then.

use maud::{Markup, html};
use tailcast_codecs::format::Format;

use super::summary::{Summary, audio_path, cover_path};
use super::words::{FORMATS, clock, live, sound, title, when};
use crate::access::Pass;
use crate::recording::Status;

/// What there is at one's fingertips, for the list of them.
const KEYS: [(&str, &str); 11] = [
    ("Space or k", "play or pause"),
    ("← →", "5 seconds back or forward"),
    ("j l", "15 seconds back, 30 forward"),
    ("↑ ↓", "louder, softer"),
    ("m", "mute"),
    ("< >", "slower, faster"),
    ("0 to 9", "to that tenth of the recording"),
    ("Home End", "to the beginning; to the end, or live"),
    ("[ ]", "the clip begins here, ends here"),
    ("Esc", "discard the clip"),
    ("?", "this list"),
];

/// The page of a recording.
pub fn player(status: &Status, pass: &Pass) -> Markup {
    let audio = |format| pass.carried(audio_path(&status.name, format));
    let summary = serde_json::to_string(&Summary::of(status)).unwrap_or_default();
    html! {
        header { a href="/" { "All recordings" } }
        main #recording data-status=(summary) {
            div #about {
                @if let Some(cover) = cover_path(status) {
                    img.cover src=(pass.carried(cover)) alt="";
                }
                h1 { (title(status)) " " (live(status)) }
                p.about { @if let Some(when) = when(status) { (when) " · " } (sound(status.spec)) }
            }
            noscript {
                p { span.length { (clock(status.duration())) } @if status.extent.is_growing() { " so far" } }
                audio controls preload="none" src=(audio(Format::Mp3))
                    aria-label=(title(status)) {}
                p { "As a file: " (links(audio)) }
            }
            div #player hidden {
                (seek_bar())
                (times())
                (buttons())
                p #message role="status" {}
                (clip())
                (more())
            }
            audio #sound preload="none" {}
            (keys())
        }
    }
}

fn seek_bar() -> Markup {
    html! {
        div #seek role="slider" tabindex="0" aria-label="Position" {
            canvas #waveform {}
            div #region hidden {}
            div #head {}
            div #hover hidden {}
        }
        p.hint { "Click to go there, drag to choose a clip." }
    }
}

fn times() -> Markup {
    html! {
        div.times {
            span { span #position { "0:00:00" } " " span #wall {} }
            span #behind {}
            span #length {}
        }
    }
}

fn buttons() -> Markup {
    html! {
        div.buttons {
            button #back aria-label="15 seconds back" { "−15" }
            button #play aria-label="Play" { span.shape {} }
            button #forward aria-label="30 seconds forward" { "+30" }
            button #live { "Live" }
        }
    }
}

fn clip() -> Markup {
    html! {
        section #clip aria-label="Clip" hidden {
            h2 { "Clip" }
            div.fields {
                label { "From " input #clip-from autocomplete="off"; }
                label { "to " input #clip-to autocomplete="off"; }
                span #clip-length {}
            }
            div.fields {
                button #clip-loop { "Listen in a loop" }
                button #clip-link { "Copy link" }
                button #clip-drop { "Discard" }
            }
            div.fields {
                "Download"
                @for (format, title) in FORMATS {
                    a.button download data-format=(format.name()) aria-label={ "Download the clip as " (title) } { (title) }
                }
            }
        }
    }
}

fn more() -> Markup {
    html! {
        div.fields {
            form #go {
                label for="go-to" { "Go to " }
                input #go-to autocomplete="off" placeholder="1:02:03";
                select #go-by aria-label="Kind of time" hidden {
                    option value="start" { "from the start" }
                    option value="clock" { "o’clock" }
                }
                button { "Go" }
            }
            button #moment { "Link to this moment" }
            button #clip-here { "Clip from here" }
        }
        div.fields {
            label { "Speed " select #speed {
                @for speed in ["0.5", "0.75", "1", "1.25", "1.5", "1.75", "2", "2.5", "3"] {
                    option value=(speed) selected[speed == "1"] { (speed) "×" }
                }
            } }
            button #mute { "Mute" }
            label { "Volume " input #volume type="range" min="0" max="1" step="0.05" value="1"; }
            label { "Format " select #format {
                @for (format, title) in FORMATS { option value=(format.name()) { (title) } }
            } }
            button #help { "Keys" }
        }
    }
}

fn keys() -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            dl { @for (key, what) in KEYS { dt { (key) } dd { (what) } } }
            form method="dialog" { button { "Close" } }
        }
    }
}

/// The files of a recording.
fn links(audio: impl Fn(Format) -> String) -> Markup {
    html! {
        @for (format, title) in FORMATS {
            a href=(audio(format)) { (title) } " "
        }
    }
}
