//! `/healthz`: that the server answers.

use axum::extract::State;
use axum::response::Response;

use super::{App, fresh};
use crate::error::Problem;

/// That the server answers.
pub async fn healthz(State(app): State<App>) -> Result<Response, Problem> {
    app.check_running()?;
    Ok(fresh("ok\n"))
}
