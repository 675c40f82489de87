//! What holds for every input. Each file has a property as a function over plain values, which ordinary test runs are
//! given inputs for here and `fuzz/` for as long as one likes.

mod decision;
mod query;
mod sidecar;
mod wav;
