//! Threads with a runtime of their own. It knows nothing of what runs on them.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Such a thread.
pub struct Thread {
    runtime: Handle,
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

impl Thread {
    /// # Errors
    /// The system has no thread for it, or no descriptors.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // An error means that the other end was dropped, which is a stop too.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, stop: Mutex::new(Some(stop)) })
    }

    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// What ends the thread when it is dropped, as it is with this; `None` from the second time on.
    pub fn take_stop(&self) -> Option<oneshot::Sender<()>> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The thread on which large bodies are looked through and written, so that small calls do not wait for them. It starts with
/// the first of them.
#[derive(Default)]
pub struct Bulk(OnceLock<Option<Thread>>);

impl Bulk {
    /// Carries `work` out there, or here where that thread cannot be had. Dropping the future gives it up.
    pub async fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        match self.0.get_or_init(|| Thread::start("sim-bulk").ok()) {
            None => work.await,
            Some(thread) => {
                let mut tasks = JoinSet::new();
                tasks.spawn_on(work, thread.runtime());
                // What becomes of work that panics is its own to see to, when it is dropped.
                tasks.join_next().await;
            }
        }
    }

    /// Ends the thread.
    pub fn stop(&self) {
        if let Some(thread) = self.0.get().and_then(Option::as_ref) {
            drop(thread.take_stop());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn work_is_carried_out_elsewhere_and_waited_for() {
        let bulk = Bulk::default();
        let (said, heard) = oneshot::channel();
        bulk.run(async { drop(said.send(thread::current().name().map(str::to_owned))) }).await;
        assert_eq!(heard.await.unwrap().as_deref(), Some("sim-bulk"));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_given_up() {
        struct Flag(Arc<AtomicBool>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let (bulk, dropped) = (Bulk::default(), Arc::new(AtomicBool::new(false)));
        let flag = Flag(Arc::clone(&dropped));
        let (began, beginning) = oneshot::channel();
        let work = bulk.run(async move {
            let _flag = flag;
            let _ = began.send(());
            std::future::pending::<()>().await;
        });
        tokio::select! {
            () = work => unreachable!("it never ends"),
            began = beginning => began.unwrap(),
        }
        tokio::time::timeout(Duration::from_secs(5), async {
            while !dropped.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}
