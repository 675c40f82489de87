//! curl, which is killed now and then.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{End, Reply};
use crate::request::Request;
use crate::stage::Soak;

/// curl's word for a body that was broken off (CURLE_PARTIAL_FILE), and for a connection that was (CURLE_RECV_ERROR).
const BROKEN_OFF: [i32; 2] = [18, 56];

/// What it saves until its end, or until it has been there for `most` and is killed. `None` if it is not installed.
pub fn get(soak: &Soak, request: &Request, most: Duration) -> Option<Reply> {
    let desk = tempfile::tempdir().unwrap();
    let (head, body) = (desk.path().join("head"), desk.path().join("body"));
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sS", "-D"]).arg(&head).arg("-o").arg(&body);
    for (name, value) in &request.headers {
        curl.args(["-H", &format!("{name}: {value}")]);
    }
    curl.arg(format!("http://{}{}", soak.address, request.target));
    let mut reply = Reply::nothing();
    let mut curl = curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let status = loop {
        if let Some(status) = curl.try_wait().unwrap() {
            break Some(status);
        }
        if reply.asked.elapsed() > most || soak.listeners_leave() {
            curl.kill().unwrap();
            curl.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    reply.done = Instant::now();
    // When the head came is not known.
    reply.begun = reply.done;
    let head = fs::read(head).unwrap_or_default();
    if head.ends_with(b"\r\n\r\n") {
        reply.take_head(&head);
    }
    reply.body = fs::read(body).unwrap_or_default();
    reply.end = match status.map(|status| status.code()) {
        None => End::Left,
        Some(Some(0)) => End::InOrder,
        Some(Some(code)) if BROKEN_OFF.contains(&code) => End::BrokenOff,
        Some(_) => panic!("curl says {status:?} to {}", request.target),
    };
    Some(reply)
}
