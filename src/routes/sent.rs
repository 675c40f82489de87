//! A body that is sent here, and what becomes of those who send one that is not taken.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, Method, header};
use http_body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a client that is refused while it sends is listened to, so that it gets to read why.
const HEARD_OUT: Duration = Duration::from_secs(1);

/// A body on its way.
#[derive(Debug)]
pub struct Sent(BodyDataStream);

impl<S: Sync> FromRequest<S> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self(request.into_body().into_data_stream()))
    }
}

impl Sent {
    /// What comes next; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        self.0.next().await
    }
}

/// Has whoever sends something get to read why it is not taken, and nobody else's request be taken for the rest of it.
pub(super) async fn hear_out(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_read || request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Who waits to be told to go on sends nothing before, and is told so by the first look at the body.
    let comes = !request.headers().contains_key(header::EXPECT);
    let mut response = next.run(request.map(|body| Body::new(HeardOut { body, comes }))).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        // A proxy that keeps connections would send the next request behind a body of which more may come.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body of which, when no more of it is taken, the rest is read for a moment: a connection that is closed while something
/// comes is reset, and what was answered is lost with it.
#[derive(Debug)]
struct HeardOut {
    body: Body,
    /// Whether more may come, without being asked for.
    comes: bool,
}

impl HttpBody for HeardOut {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.comes = match &frame {
            Poll::Pending => true,
            Poll::Ready(frame) => matches!(frame, Some(Ok(_))) && !self.body.is_end_stream(),
        };
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for HeardOut {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.comes {
            let rest = std::mem::take(&mut self.body).into_data_stream();
            runtime.spawn(timeout(HEARD_OUT, rest.for_each(|_| std::future::ready(()))));
        }
    }
}
