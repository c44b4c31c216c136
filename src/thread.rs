//! Threads with a runtime of their own. It knows nothing of what runs on them.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// What becomes of a thread where there are fewer processors than work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It serves clients by itself.
    Usual,
    /// It works for a thread that serves clients, such as Node's, and gives way to it. Otherwise each answer of Sim's would push
    /// the event loop off its processor: with two of them and 512 connections, for a quarter of the time.
    GivesWay,
}

/// Such a thread.
pub struct Thread {
    runtime: Handle,
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

impl Thread {
    /// May be called on another runtime: this one is made, and ends, on its own thread.
    ///
    /// # Errors
    /// The system has no thread for it, or no descriptors.
    pub fn start(name: &str, urgency: Urgency) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, start) = mpsc::channel();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if urgency == Urgency::GivesWay {
                give_way();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // Whoever started it waits.
            let _ = started.send(runtime.as_ref().map(|runtime| runtime.handle().clone()).map_err(io::Error::kind));
            if let Ok(runtime) = runtime {
                // An error means that the other end was dropped, which is a stop too.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            }
        })?;
        let runtime = start.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, stop: Mutex::new(Some(stop)) })
    }

    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// What ends the thread when it is dropped, as it is with this; `None` from the second time on.
    pub fn take_stop(&self) -> Option<oneshot::Sender<()>> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Linux counts niceness thread by thread, and has everybody give way who wants to.
#[cfg(target_os = "linux")]
fn give_way() {
    // Where that is forbidden all the same, nothing but speed is lost.
    let _ = rustix::process::nice(1);
}

/// Elsewhere it would be the whole process that gives way.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// A thread that starts when it is first needed.
struct Late {
    name: &'static str,
    urgency: Urgency,
    thread: OnceLock<Thread>,
    busy: Busy,
}

/// Held by whatever is under way on a thread, which is known to be busy by how often it is held.
pub type Busy = Arc<()>;

impl Late {
    fn new(name: &'static str, urgency: Urgency) -> Self {
        Self { name, urgency, thread: OnceLock::new(), busy: Busy::default() }
    }

    /// `None`: the system has none, or no descriptors.
    fn get(&self) -> Option<&Thread> {
        if self.thread.get().is_none() {
            // Somebody else may have been faster.
            let _ = self.thread.set(Thread::start(self.name, self.urgency).ok()?);
        }
        self.thread.get()
    }

    fn stop(&self) {
        if let Some(thread) = self.thread.get() {
            drop(thread.take_stop());
        }
    }
}

/// Threads that share work of one kind; each starts when its first turn comes.
pub struct Team {
    threads: Vec<Late>,
    turn: AtomicUsize,
}

impl Team {
    /// Of `size` threads, at least one.
    pub fn new(name: &'static str, urgency: Urgency, size: usize) -> Self {
        Self { threads: (0..size.max(1)).map(|_| Late::new(name, urgency)).collect(), turn: AtomicUsize::new(0) }
    }

    /// The one whose turn it is. `None`: the system has no thread for it, or no descriptors.
    pub fn next(&self) -> Option<&Thread> {
        self.threads[self.turn.fetch_add(1, Ordering::Relaxed) % self.threads.len()].get()
    }

    /// The one with the least under way, and what holds it busy; of several the first, so that what comes alone finds the connections
    /// of what came before it. `None`: as with [`Team::next`].
    pub fn least_busy(&self) -> Option<(&Thread, Busy)> {
        let late = self.threads.iter().min_by_key(|late| Arc::strong_count(&late.busy))?;
        Some((late.get()?, Arc::clone(&late.busy)))
    }

    /// Ends them.
    pub fn stop(&self) {
        self.threads.iter().for_each(Late::stop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn only_who_works_for_others_gives_way() {
        fn niceness() -> i32 {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap()
        }
        for (urgency, more) in [(Urgency::Usual, 0), (Urgency::GivesWay, 1)] {
            let thread = Thread::start("test", urgency).unwrap();
            let (said, heard) = mpsc::channel();
            thread.runtime().spawn(async move { said.send(niceness()) });
            assert_eq!(heard.recv().unwrap(), niceness() + more, "{urgency:?}");
        }
    }

    #[test]
    fn work_goes_to_each_thread_of_a_team_in_turn() {
        let team = Team::new("test", Urgency::Usual, 2);
        let turns: Vec<_> = (0..4).map(|_| team.next().unwrap().runtime().id()).collect();
        assert_ne!(turns[0], turns[1]);
        assert_eq!(turns[..2], turns[2..]);
    }

    #[test]
    fn work_goes_to_the_least_busy_thread_and_alone_to_the_first() {
        let team = Team::new("test", Urgency::Usual, 2);
        let least = || team.least_busy().map(|(thread, busy)| (thread.runtime().id(), busy)).unwrap();
        let (first, busy) = least();
        let (second, _) = least();
        assert_ne!(first, second);
        drop(busy);
        assert_eq!(least().0, first);
    }
}
