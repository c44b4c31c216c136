//! Remembers for a short while what the host's `resolveUser` said about a user, "no such user" included.
//! It must not know how to ask; the clock is the caller's.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How long an answer holds unless configured otherwise.
pub const DEFAULT_LIFE: Duration = Duration::from_secs(30);

struct Answer<V> {
    /// `None`: the host knows no such user.
    user: Option<V>,
    until: Instant,
}

/// Answers by user id, at most `capacity` of them. When full, the oldest answer goes.
pub struct Resolved<V> {
    answers: HashMap<Box<str>, Answer<V>>,
    /// The same ids, oldest first: all answers live equally long. An id that was answered again is in it twice.
    order: VecDeque<(Box<str>, Instant)>,
    life: Duration,
    capacity: usize,
}

impl<V> Resolved<V> {
    /// A `life` of zero remembers nothing.
    pub fn new(life: Duration, capacity: usize) -> Self {
        Self { answers: HashMap::new(), order: VecDeque::new(), life, capacity }
    }

    /// The answer for `id` that still holds: `Some(None)` is "no such user", `None` means that the host must be asked.
    pub fn get(&self, id: &str, now: Instant) -> Option<Option<&V>> {
        self.answers.get(id).filter(|answer| now < answer.until).map(|answer| answer.user.as_ref())
    }

    pub fn put(&mut self, id: &str, user: Option<V>, now: Instant) {
        while let Some((_, until)) = self.order.front()
            && (*until <= now || self.order.len() >= self.capacity)
        {
            self.forget_oldest();
        }
        if self.capacity == 0 || self.life.is_zero() {
            return;
        }
        let until = now + self.life;
        self.order.push_back((id.into(), until));
        self.answers.insert(id.into(), Answer { user, until });
    }

    fn forget_oldest(&mut self) {
        if let Some((id, until)) = self.order.pop_front()
            && self.answers.get(&id).is_some_and(|answer| answer.until == until)
        {
            self.answers.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(30);

    #[test]
    fn an_answer_holds_until_its_time_and_no_longer() {
        let (mut cache, start) = (Resolved::new(LIFE, 8), Instant::now());
        cache.put("ann", Some("USER"), start);
        assert_eq!(cache.get("ann", start + LIFE - Duration::from_millis(1)), Some(Some(&"USER")));
        assert_eq!(cache.get("ann", start + LIFE), None);
        assert_eq!(cache.get("bob", start), None);
    }

    #[test]
    fn no_such_user_is_an_answer_too() {
        let (mut cache, start) = (Resolved::<()>::new(LIFE, 8), Instant::now());
        cache.put("ghost", None, start);
        assert_eq!(cache.get("ghost", start), Some(None));
        assert_eq!(cache.get("ghost", start + LIFE), None);
    }

    #[test]
    fn the_newest_answer_counts() {
        let (mut cache, start) = (Resolved::new(LIFE, 8), Instant::now());
        cache.put("ann", Some("USER"), start);
        cache.put("ann", None, start + LIFE / 2);
        assert_eq!(cache.get("ann", start + LIFE), Some(None));
        // The end of the first answer does not take the second with it.
        cache.put("bob", Some("USER"), start + LIFE);
        assert_eq!(cache.get("ann", start + LIFE), Some(None));
    }

    #[test]
    fn a_million_users_take_no_more_room_than_the_capacity() {
        let (mut cache, start) = (Resolved::new(LIFE, 1000), Instant::now());
        for user in 0..1_000_000_u32 {
            cache.put(&user.to_string(), Some(user), start);
        }
        assert_eq!((cache.answers.len(), cache.order.len()), (1000, 1000));
        assert_eq!(cache.get("999999", start), Some(Some(&999_999)));
        assert_eq!(cache.get("998999", start), None);
    }

    #[test]
    fn one_user_answered_again_and_again_takes_the_room_of_the_capacity_at_most() {
        let (mut cache, start) = (Resolved::new(LIFE, 10), Instant::now());
        for _ in 0..1000 {
            cache.put("ann", Some(1), start);
        }
        assert!(cache.order.len() <= 10 && cache.answers.len() == 1);
        assert_eq!(cache.get("ann", start), Some(Some(&1)));
    }

    #[test]
    fn what_has_ended_is_let_go() {
        let (mut cache, start) = (Resolved::new(LIFE, 1000), Instant::now());
        for user in 0..100 {
            cache.put(&user.to_string(), Some(user), start);
        }
        cache.put("ann", Some(0), start + LIFE);
        assert_eq!(cache.answers.len(), 1);
    }

    #[test]
    fn a_life_of_zero_remembers_nothing() {
        let (mut cache, start) = (Resolved::new(Duration::ZERO, 8), Instant::now());
        cache.put("ann", Some(1), start);
        assert_eq!(cache.get("ann", start), None);
        assert!(cache.answers.is_empty());
    }
}
