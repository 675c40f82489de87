//! A body that is sent here, and what becomes of those who send one that is not taken.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a client that is refused while it sends is listened to, so that it gets to read why.
const HEARD_OUT: Duration = Duration::from_secs(1);

/// A body on its way. When no more of it is taken, who sends it is heard out for a moment: a connection that is closed while
/// something comes is reset, and what was answered is lost with it.
#[derive(Debug)]
pub struct Sent {
    body: BodyDataStream,
    /// Whether more may come, without being asked for.
    comes: bool,
}

impl<S: Sync> FromRequest<S> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        // Who waits to be told to go on sends nothing before, and is told so by the first look at the body.
        let comes = !request.headers().contains_key(header::EXPECT);
        Ok(Self { body: request.into_body().into_data_stream(), comes })
    }
}

impl Sent {
    /// What comes next; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        self.comes = true;
        let next = self.body.next().await;
        self.comes = matches!(next, Some(Ok(_)));
        next
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.comes {
            let body = std::mem::replace(&mut self.body, Body::empty().into_data_stream());
            runtime.spawn(timeout(HEARD_OUT, body.for_each(|_| std::future::ready(()))));
        }
    }
}
