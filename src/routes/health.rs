//! `/healthz`: that the server answers. `/readyz`: that it can do what it is there for.

use axum::extract::State;
use axum::response::Response;

use super::{App, blocking, fresh};
use crate::error::Problem;

/// That the server answers.
pub async fn healthz(State(app): State<App>) -> Result<Response, Problem> {
    app.check_running()?;
    Ok(fresh("ok\n"))
}

/// That it should be sent listeners: it is not stopping, and its folder can be read.
pub async fn readyz(State(app): State<App>) -> Result<Response, Problem> {
    app.check_running()?;
    let catalogue = app.catalogue.clone();
    blocking(move || catalogue.check()).await?.map_err(Problem::not_ready)?;
    Ok(fresh("ready\n"))
}
