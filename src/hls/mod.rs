//! HTTP Live Streaming (RFC 8216 and its second edition, draft-pantos-hls-rfc8216bis): the same packets in files of some
//! seconds, and playlists that say which there are.
//!
//! A media segment is a segment of the codec, a partial segment some of its packets, and both are made of the very segments
//! that every other listener gets. So a playlist is arithmetic: nothing is coded for it, and eleven hours of it are made in
//! some milliseconds.
//!
//! | module | what is there |
//! |---|---|
//! | [`timeline`] | which segments and parts there are of a rendition, and how long they are |
//! | [`address`] | their names |
//! | [`playlist`] | the text of playlists |
//!
//! What is heard comes a codec's delay after the time that its file has: neither packed audio nor hls.js has a place for
//! that, and so dates and places to start at allow for it.
//!
//! Nothing here reads a file, waits or looks at a clock.

pub mod address;
pub mod playlist;
pub mod timeline;

pub use address::{File, Variant};
pub use timeline::Timeline;
