//! A wave of calls: several futures at once, without leaving the task.
//!
//! For what AWS offers no batch call. Dropping the wave drops all its calls.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// How many calls of one wave are in flight at a time.
const WIDTH: usize = 8;

/// Awaits all futures, eight at a time; answers in their order.
pub async fn wave<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting = futures.into_iter().enumerate();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut answers: Vec<(usize, F::Output)> = Vec::new();
    poll_fn(|context| {
        loop {
            let free = WIDTH - running.len();
            running.extend(waiting.by_ref().take(free).map(|(index, future)| (index, Box::pin(future))));
            let before = answers.len();
            running.retain_mut(|(index, future)| match future.as_mut().poll(context) {
                Poll::Ready(answer) => {
                    answers.push((*index, answer));
                    false
                }
                Poll::Pending => true,
            });
            if running.is_empty() && answers.len() == before {
                return Poll::Ready(());
            }
            if answers.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// [`wave`] for calls that can fail: all answers, or the first error in order.
pub async fn try_wave<T, E, F: Future<Output = Result<T, E>>>(futures: Vec<F>) -> Result<Vec<T>, E> {
    wave(futures).await.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_keep_their_order() {
        let slower_first = |number: u64| async move {
            for _ in 0..(50 - number) {
                tokio::task::yield_now().await;
            }
            number
        };
        assert_eq!(wave((0..50).map(slower_first).collect()).await, (0..50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn no_calls_are_no_wait() {
        assert!(wave(Vec::<std::future::Ready<()>>::new()).await.is_empty());
    }
}
