//! What to answer, apart from the code that moves the bytes.
//!
//! [`decide()`] takes what of the request matters ([`Request`]) and what is known of the rendition
//! ([`Entity`]), and gives the status, the headers that depend on them, and which bytes the body has. Nothing
//! here reads a file, waits or looks at a clock, so every promise is a test over plain values.
//!
//! | where | what |
//! |---|---|
//! | `decide` | the order of the questions: conditions, then the range, then `HEAD` |
//! | `conditions` | `If-Match`, `If-None-Match`, `If-Range` |
//! | `range` | the `Range` header |
//! | `finished` | a rendition of known length: as a static file |
//! | `growing` | a rendition that has no length yet |
//! | `content_range` | the `Content-Range` header |
//! | `multipart` | a body of several ranges |
//! | `freshness` | the `Cache-Control` header |
//!
//! Every decision is held against a slow and obvious client in `tests/properties/decision.rs`.
//!
//! Whoever renders an [`Answer`] adds what is the same for all of them: [`ACCEPT_RANGES`] always;
//! `Content-Type` with 200 and 206; `ETag` (finished only) and `Cache-Control` with 200, 206 and 304
//! (RFC 9110 15.4.5).

mod conditions;
mod content_range;
mod decide;
mod finished;
mod freshness;
mod growing;
mod multipart;
mod range;

pub use conditions::{Verdict, verdict};
pub use content_range::ContentRange;
pub use decide::{Answer, Body, Decision, Entity, Request, decide};
pub use finished::Finished;
pub use freshness::Freshness;
pub use growing::Growing;
pub use multipart::{Boundary, Multipart, Piece};
pub use range::MostRanges;

/// The value of `Accept-Ranges`, for a growing rendition as well as a finished one (RFC 9110 14.3).
pub const ACCEPT_RANGES: &str = "bytes";
