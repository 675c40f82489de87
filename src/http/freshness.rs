/// How sure it is that a rendition stays as it is, and so how long a cache may keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The recording is growing.
    Growing,
    /// It has stood still for the growth timeout, but nobody said that it has ended: it may grow again.
    InferredEnd,
    /// Its recorder said that it has ended.
    DeclaredEnd,
    /// Its URL means these bytes or none.
    Forever,
    /// The same, but that it was chosen by a little of the sound alone.
    Moments,
}

impl Freshness {
    /// The value of `Cache-Control` (RFC 9111 5.2.2).
    ///
    /// Growing is `no-store` rather than `no-cache`: browsers were seen to put pieces kept from the growing
    /// time together with pieces of the finished rendition, whose header differs.
    #[must_use]
    pub const fn cache_control(self) -> &'static str {
        match self {
            Self::Growing => "no-store",
            Self::InferredEnd => "no-cache",
            Self::DeclaredEnd => "public, max-age=3600",
            // As long as anybody understands.
            Self::Forever => "public, max-age=31536000, immutable",
            Self::Moments => "public, max-age=60",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_answer_is_never_stored() {
        assert_eq!(Freshness::Growing.cache_control(), "no-store");
    }

    #[test]
    fn an_inferred_end_is_asked_about_each_time() {
        assert_eq!(Freshness::InferredEnd.cache_control(), "no-cache");
    }

    #[test]
    fn a_declared_end_is_kept_for_an_hour() {
        assert_eq!(Freshness::DeclaredEnd.cache_control(), "public, max-age=3600");
    }
}
