//! All that there is to be known of an answer that is wrong.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use tempfile::NamedTempFile;

use crate::judge::{Judge, Wrong};
use crate::request::Answer;

pub fn of(judge: &Judge<'_>, answer: &Answer, wrong: &Wrong) -> String {
    let Answer { request, reply } = answer;
    let ago = |at: Instant| format!("{:.3} s ago", at.elapsed().as_secs_f64());
    let mut report = format!("{wrong}\n{request:?}\n{} {:?}\n", reply.status, reply.headers);
    let body = format!("{} bytes, {:?}, in {}", reply.body.len(), reply.end, kept(&reply.body).display());
    let (asked, begun, done) = (ago(reply.asked), ago(reply.begun), ago(reply.done));
    report += &format!("asked for {asked}, begun {begun}, done {done}: {body}\n");
    for life in judge.lives(answer) {
        report += &format!("begun {}: {life:?}\n", ago(life.begun()));
    }
    report
}

fn kept(body: &[u8]) -> PathBuf {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(body).unwrap();
    file.keep().unwrap().1
}
