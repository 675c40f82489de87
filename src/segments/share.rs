//! What each client may have of the encoders, so that others have something of them too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many segments each client may have begun that are coded or wait to be.
#[derive(Debug)]
pub struct Shares {
    /// Of those who have some.
    each: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
    most: usize,
}

impl Shares {
    /// At most `most` for each.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { each: Mutex::default(), most: most.min(Semaphore::MAX_PERMITS) })
    }

    /// That of one client.
    pub fn of(self: &Arc<Self>, client: IpAddr) -> Share {
        Share { shares: Arc::clone(self), client }
    }

    fn places(&self, client: IpAddr) -> Arc<Semaphore> {
        let mut each = self.each.lock();
        if let Some(places) = each.get(&client).and_then(Weak::upgrade) {
            return places;
        }
        each.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(self.most));
        each.insert(client, Arc::downgrade(&places));
        places
    }
}

/// What one client may have.
#[derive(Debug, Clone)]
pub struct Share {
    shares: Arc<Shares>,
    client: IpAddr,
}

impl Share {
    /// Room for one more segment, if there is any.
    pub fn try_take(&self) -> Option<Place> {
        Place::of(self.shares.places(self.client))
    }

    /// Room for a segment that is not waited for yet: as long as there is as much again for one that is.
    pub fn try_take_ahead(&self) -> Option<Place> {
        let places = self.shares.places(self.client);
        if places.available_permits() > self.shares.most / 2 { Place::of(places) } else { None }
    }

    /// Whose it is.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// Room that there is in all.
    pub fn most(&self) -> usize {
        self.shares.most
    }

    /// Waits for room for one more segment. Who waited longest gets it first.
    pub async fn take(self) -> Place {
        // It is an error when it is closed, which it never is.
        Place(self.shares.places(self.client).acquire_owned().await.ok())
    }
}

/// Room for one segment; given back when dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "it is there to be dropped")] Option<OwnedSemaphorePermit>);

impl Place {
    fn of(places: Arc<Semaphore>) -> Option<Self> {
        places.try_acquire_owned().ok().map(|permit| Self(Some(permit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_has_its_share_and_waits_for_more_and_others_have_theirs() {
        let shares = Shares::new(2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| shares.of(address.parse().unwrap()));
        let (first, _second) = (one.try_take().unwrap(), one.try_take().unwrap());
        assert!(one.try_take().is_none());
        assert!(other.try_take().is_some());
        let third = tokio::spawn(one.clone().take());
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        drop(first);
        let third = third.await.unwrap();
        assert!(one.try_take().is_none());
        drop(third);
        assert!(one.try_take_ahead().is_none(), "the last is for what is waited for");
        assert!(one.try_take().is_some());
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_nothing() {
        let shares = Shares::new(2);
        for last in 0..=255 {
            drop(shares.of([192, 0, 2, last].into()).try_take());
        }
        assert_eq!(shares.each.lock().len(), 1);
    }
}
