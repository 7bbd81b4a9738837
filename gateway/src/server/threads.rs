//! The threads that a gateway runs on.

use tokio::runtime::Runtime as TokioRuntime;

use crate::error::Error;

/// The threads of one gateway, which may end in the midst of another program's: they are not waited for.
pub(super) struct Threads(Option<TokioRuntime>);

impl Threads {
    pub(super) fn start(count: Option<usize>) -> Result<Self, Error> {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        if let Some(count) = count {
            threads.worker_threads(count.max(1));
        }
        let threads = threads.thread_name("gateway").enable_all().build();
        threads.map(|threads| Self(Some(threads))).map_err(Error::Threads)
    }

    #[expect(clippy::expect_used, reason = "only `drop` takes the runtime")]
    pub(super) fn runtime(&self) -> &TokioRuntime {
        self.0.as_ref().expect("the runtime is there until it is dropped")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}
