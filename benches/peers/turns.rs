//! Programs that take turns.

/// What both made of it in each round. Who begins changes, as who comes second may find things warmer, or the machine
/// hotter.
pub fn in_turns<A, B>(
    rounds: usize,
    mut ours: impl FnMut() -> A,
    mut theirs: impl FnMut() -> B,
) -> Vec<(A, B)> {
    let round = |number: usize| {
        if number.is_multiple_of(2) {
            let ours = ours();
            (ours, theirs())
        } else {
            let theirs = theirs();
            (ours(), theirs)
        }
    };
    (0..rounds).map(round).collect()
}
