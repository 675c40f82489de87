//! `/healthz`: that the server answers.

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::{App, fresh};
use crate::error::Problem;

/// That the server answers.
pub async fn healthz(State(app): State<App>) -> Response {
    if *app.stop.borrow() {
        return Problem::stopping().into_response();
    }
    fresh("ok\n")
}
