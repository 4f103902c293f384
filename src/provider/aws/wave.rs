//! A wave of calls: several futures at once, without leaving the task; and the same call for several.
//!
//! [`wave`] is for what AWS offers no batch call. Dropping the wave drops all its calls. [`Together`] is for a question
//! that several ask at the same time.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::stream::{self, StreamExt};
use tokio::sync::OnceCell;

/// How many calls of one wave are in flight at a time: enough that only `limits.rs` holds any up, and few enough for one
/// machine's sockets.
const WIDTH: usize = 64;

/// Awaits all futures, as many at a time as is good; answers in their order.
pub async fn wave<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let numbered = futures.into_iter().enumerate().map(|(index, future)| async move { (index, future.await) });
    let mut answers: Vec<_> = stream::iter(numbered).buffer_unordered(WIDTH).collect().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// [`wave`] for calls that can fail: all answers, or the first error in order.
pub async fn try_wave<T, E, F: Future<Output = Result<T, E>>>(futures: Vec<F>) -> Result<Vec<T>, E> {
    wave(futures).await.into_iter().collect()
}

/// Answers that are being waited for, by question. Who asks while somebody else waits for the same answer gets it, too;
/// who asks later asks anew.
#[derive(Debug)]
pub struct Together<T>(Mutex<BTreeMap<String, Weak<OnceCell<T>>>>);

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Together<T> {
    /// The answer to `question`: somebody else's if it is on its way, or that of `ask`. An error is only its own.
    pub async fn ask<E, F: Future<Output = Result<T, E>>>(
        &self,
        question: &str,
        ask: impl FnOnce() -> F,
    ) -> Result<T, E> {
        let answer = {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|_, answer| answer.strong_count() > 0);
            match waiting.get(question).and_then(Weak::upgrade) {
                Some(answer) => answer,
                None => {
                    let answer = Arc::new(OnceCell::new());
                    waiting.insert(question.to_owned(), Arc::downgrade(&answer));
                    answer
                }
            }
        };
        answer.get_or_try_init(ask).await.cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_question_on_its_way_is_not_asked_again() {
        let (together, asked) = (Together::default(), AtomicUsize::new(0));
        let ask = |question: &'static str| {
            together.ask(question, || async {
                tokio::task::yield_now().await;
                Ok::<_, ()>(asked.fetch_add(1, Ordering::Relaxed))
            })
        };
        assert_eq!(wave(vec![ask("a"), ask("a"), ask("a")]).await, [Ok(0), Ok(0), Ok(0)]);
        assert_eq!(ask("a").await, Ok(1), "an old answer is not kept");
        let (a, b) = tokio::join!(ask("a"), ask("b"));
        assert_ne!(a, b, "two questions have two answers");
    }

    #[tokio::test]
    async fn a_failure_is_only_the_failure_of_who_asked() {
        let (together, asked) = (Together::default(), AtomicUsize::new(0));
        let ask = || {
            together.ask("a", || async {
                tokio::task::yield_now().await;
                match asked.fetch_add(1, Ordering::Relaxed) {
                    0 => Err("busy"),
                    _ => Ok(7),
                }
            })
        };
        assert_eq!(wave(vec![ask(), ask(), ask()]).await, [Err("busy"), Ok(7), Ok(7)]);
    }

    #[tokio::test]
    async fn answers_keep_their_order() {
        let slower_first = |number: u64| async move {
            for _ in 0..(200 - number) {
                tokio::task::yield_now().await;
            }
            number
        };
        assert_eq!(wave((0..200).map(slower_first).collect()).await, (0..200).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn no_calls_are_no_wait() {
        assert!(wave(Vec::<std::future::Ready<()>>::new()).await.is_empty());
    }
}
