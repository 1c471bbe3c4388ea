//! Reads who could be asked.

use std::collections::BTreeSet;

use super::choice::{Candidate, State};
use super::params::{By, Params, Pick, Source};
use crate::actions::reviews::{self, Pull, Stand};
use crate::core::codeowners::{CodeOwners, Owner, PLACES};
use crate::core::intent::Target;
use crate::core::reviewer::Reviewer;
use crate::github::client::Reader;
use crate::github::contents::{self, Found};
use crate::github::{GitHubError, facts};

/// GitHub's API gives no larger file's text; GitHub itself reads 3 MB.
const LARGEST: u64 = 1 << 20;
/// So that a file made to be slow does not hold up others.
const MOST_LINES: usize = 10_000;
/// People who are looked up before one is asked. Later ones are asked unseen.
const MOST_LOOKED_UP: usize = 20;
/// Looked up beside those that are wanted: some may have been taken off by hand.
const SPARE: usize = 3;

/// Those whom the rule names, and why there may be fewer than one expects.
#[derive(Default)]
struct Named {
    who: BTreeSet<Reviewer>,
    remarks: Vec<String>,
}

pub(super) async fn read(params: &Params, target: &Target, reader: &Reader) -> Result<State, GitHubError> {
    let mut state = State {
        stand: Stand::NoPull,
        number: target.number,
        requested: Vec::new(),
        reviewed: Vec::new(),
        candidates: Vec::new(),
        opened: Vec::new(),
        closed: Vec::new(),
        remarks: Vec::new(),
    };
    let Some(pull) = reviews::pull(target, reader).await? else { return Ok(state) };
    let given = reviews::given(target, reader).await?;
    let reviewed: BTreeSet<_> = given.iter().filter_map(|review| Reviewer::parse(&review.author).ok()).collect();
    state.stand = pull.stand;
    state.reviewed = reviewed.into_iter().collect();
    state.requested.clone_from(&pull.requested);
    if pull.stand != Stand::Open {
        return Ok(state);
    }
    let named = match &params.from {
        Source::Named(names) => Named { who: names.iter().cloned().collect(), remarks: Vec::new() },
        Source::CodeOwners => code_owners(target, &pull, reader).await?,
    };
    state.remarks = named.remarks;
    let mut who = named.who;
    if let Pick::Some { .. } = params.pick {
        who = open_teams(who, &params.exclude, &mut state, reader).await?;
    }
    let author = pull.author.as_deref().and_then(|login| Reviewer::parse(login).ok());
    who.retain(|who| Some(who) != author.as_ref() && !params.exclude.contains(who));
    // GitHub takes a team by its slug alone: one of another organisation would be mistaken for one of the owner's.
    let foreign = |who: &Reviewer| {
        who.team().is_some_and(|(organisation, _)| !organisation.eq_ignore_ascii_case(target.repository.owner()))
    };
    state.candidates = who.into_iter().map(|who| Candidate { stranger: foreign(&who), who, load: 0 }).collect();
    look_up(params.pick, target, &mut state, reader).await?;
    Ok(state)
}

/// Puts the members of teams in their places.
async fn open_teams(
    named: BTreeSet<Reviewer>,
    exclude: &[Reviewer],
    state: &mut State,
    reader: &Reader,
) -> Result<BTreeSet<Reviewer>, GitHubError> {
    let mut people = BTreeSet::new();
    for who in named {
        let Some((organisation, slug)) = who.team() else {
            people.insert(who);
            continue;
        };
        if exclude.contains(&who) {
            continue;
        }
        match reviews::members(organisation, slug, reader).await? {
            Some(members) => {
                people.extend(members);
                state.opened.push(who);
            }
            None => {
                state.closed.push(who.clone());
                people.insert(who);
            }
        }
    }
    Ok(people)
}

/// What the choice depends on, as far as there is one: how much everybody has to do, and whom GitHub would refuse.
async fn look_up(pick: Pick, target: &Target, state: &mut State, reader: &Reader) -> Result<(), GitHubError> {
    let free = state.candidates.iter().filter(|candidate| !state.is_asked(&candidate.who)).count();
    let asked = state.candidates.len() - free;
    let (order, wanted) = match pick {
        Pick::All => (By::RoundRobin, free),
        Pick::Some { count, by } => (by, count.saturating_sub(asked)),
    };
    if wanted == 0 {
        return Ok(());
    }
    if order == By::Load && free > wanted {
        for waiting in reviews::open_requests(target, reader).await? {
            let busy = state.candidates.iter_mut().filter(|candidate| candidate.who == waiting);
            busy.for_each(|candidate| candidate.load += 1);
        }
    }
    let ordered = state.order(order).into_iter().map(|candidate| candidate.who.clone());
    let people: Vec<Reviewer> = ordered.filter(|who| who.login().is_some() && !state.is_asked(who)).collect();
    let mut found = 0;
    for who in people.iter().take(MOST_LOOKED_UP) {
        if found >= wanted.saturating_add(SPARE) {
            break;
        }
        let Some(login) = who.login() else { continue };
        let stranger = reviews::is_stranger(target, login, reader).await?;
        found += usize::from(!stranger);
        let same = state.candidates.iter_mut().filter(|candidate| candidate.who == *who);
        same.for_each(|candidate| candidate.stranger = stranger);
    }
    Ok(())
}

/// Who owns the changed files, by the base branch.
async fn code_owners(target: &Target, pull: &Pull, reader: &Reader) -> Result<Named, GitHubError> {
    let owners = match find_file(target, &pull.base, reader).await? {
        Ok(owners) => owners,
        Err(remark) => return Ok(Named { remarks: vec![remark], ..Named::default() }),
    };
    let mut named = Named::default();
    let mut mails = BTreeSet::new();
    for (at, file) in facts::changed_files(reader, &target.repository, target.number).await?.iter().enumerate() {
        for owner in owners.owners_of(file) {
            match owner {
                Owner::Reviewer(reviewer) => _ = named.who.insert(reviewer.clone()),
                Owner::Mail(mail) => _ = mails.insert(mail.clone()),
            }
        }
        // Thousands of files against thousands of lines take a moment; others shall not wait for it.
        if at % 32 == 31 {
            tokio::task::yield_now().await;
        }
    }
    let mail = |mail| format!("CODEOWNERS names `{mail}`, and only GitHub knows whose address that is");
    named.remarks.extend(mails.into_iter().map(mail));
    Ok(named)
}

/// The file, or why there is none to go by.
async fn find_file(target: &Target, branch: &str, reader: &Reader) -> Result<Result<CodeOwners, String>, GitHubError> {
    for place in PLACES {
        let text = match contents::file(reader, &target.repository, place, Some(branch), LARGEST).await? {
            Found::Nothing => continue,
            Found::Text { text, .. } => text,
            Found::TooLarge { size, .. } => {
                return Ok(Err(format!("{place} has {size} bytes, more than the {LARGEST} that GitHub's API gives")));
            }
            Found::Other(what) => return Ok(Err(format!("{place} cannot be read: {what}"))),
        };
        let owners = CodeOwners::parse(&text);
        return Ok(if owners.len() > MOST_LINES {
            Err(format!("{place} has {} lines, more than {MOST_LINES}", owners.len()))
        } else {
            Ok(owners)
        });
    }
    Ok(Err(format!(
        "there is no CODEOWNERS on `{branch}` that the App may read (in .github, the root or docs; it takes the \
         permission `Contents: read`)"
    )))
}
