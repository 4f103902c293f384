//! News, asked while a plan is made: what others publish and whoever reads the plan should know.
//!
//! # Guarantees
//!
//! - A plan never fails, waits longer than the blueprint allows, or comes out otherwise because of them.
//! - Whoever publishes them learns the address of whoever asks and what the blueprint puts into the question, and can show
//!   nothing but what the blueprint allows ([`plan::news`](crate::plan::news)).

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::expr::TemplateTree;
use crate::plan::news;
use crate::plan::resolve::{NoFacts, ResourceScope, World};
use crate::provider::probe::{Asks, Rehearsal};
use crate::provider::{Question, Reader, Silence};
use crate::spec::news::News;
use crate::value::{Tree, Value};

/// Questions that are on their way. Whoever drops them is asked nothing more.
#[derive(Default)]
pub struct Asking {
    asked: JoinSet<(usize, Result<Value, Silence>)>,
    /// By the number of the question: what it is of, and the version of which only a higher one is news.
    news: Vec<(News, Option<String>)>,
}

/// Asks everything that these settings ask for. What cannot be evaluated is not asked.
pub fn ask(reader: &Arc<dyn Reader>, world: &World<'_>) -> Asking {
    world.evaluator.begin();
    let scope = ResourceScope { world, each: None, facts: &NoFacts };
    let text = |tree: &TemplateTree| {
        let found = world.evaluator.tree(tree, &scope).ok()?.plain()?;
        found.as_text().map(str::to_owned)
    };
    let mut asking = Asking::default();
    for news in &world.specs.blueprint.news {
        let is_wanted = news.when.as_ref().is_none_or(|when| world.evaluator.condition(when, &scope).unwrap_or(false));
        let Some(url) = text(&news.url).filter(|_| is_wanted) else { continue };
        let question = Question {
            name: news.name.clone(),
            asks: Asks::Http { url, follow: Vec::new() },
            patience: news.patience,
            rehearsal: Rehearsal::default(),
        };
        let (reader, number) = (Arc::clone(reader), asking.news.len());
        asking.asked.spawn(async move { (number, reader.ask(&question).await) });
        asking.news.push((news.clone(), news.newer.as_ref().and_then(|(_, than)| text(than))));
    }
    asking
}

impl Asking {
    /// What there is to say, in the order of the blueprint. Who has not answered within its time has said nothing.
    pub async fn told(mut self) -> Vec<String> {
        let mut answers: Vec<Value> = vec![Tree::Null; self.news.len()];
        while let Some(joined) = self.asked.join_next().await {
            match joined {
                Ok((number, Ok(answer))) => answers[number] = answer,
                Ok((_, Err(_))) => {}
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
        let told =
            self.news.iter().zip(&answers).map(|((news, than), answer)| news::told(news, than.as_deref(), answer));
        told.flatten().collect()
    }
}
