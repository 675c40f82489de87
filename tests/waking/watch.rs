//! tokio's `watch`, before each call of which any other task may run. The call itself is one step: what happens
//! inside is tokio's to test.

use real_tokio::sync::watch::{self, Ref, error::RecvError};

use super::turn;

#[derive(Debug)]
pub struct Sender<T>(watch::Sender<T>);

impl<T> Sender<T> {
    pub fn new(value: T) -> Self {
        Self(watch::Sender::new(value))
    }

    pub fn subscribe(&self) -> Receiver<T> {
        turn();
        Receiver(self.0.subscribe())
    }

    pub fn receiver_count(&self) -> usize {
        turn();
        self.0.receiver_count()
    }

    pub async fn closed(&self) {
        turn();
        self.0.closed().await;
    }

    pub fn borrow(&self) -> Ref<'_, T> {
        turn();
        self.0.borrow()
    }

    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        turn();
        self.0.send_modify(modify);
    }
}

#[derive(Debug)]
pub struct Receiver<T>(watch::Receiver<T>);

impl<T> Receiver<T> {
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        turn();
        self.0.borrow_and_update()
    }

    pub async fn changed(&mut self) -> Result<(), RecvError> {
        turn();
        self.0.changed().await
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // A test that fails takes no more turns.
        if !std::thread::panicking() {
            turn();
        }
    }
}
