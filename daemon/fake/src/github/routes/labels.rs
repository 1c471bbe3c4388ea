//! Labels of an issue or pull request.

use serde_json::Value;

use super::issues::difference;
use super::{Place, texts};
use crate::github::call::Answer;
use crate::github::journal::Change;
use crate::github::world::World;
use crate::payload::objects;

pub(super) fn handle(world: &mut World, at: &Place<'_>, number: u64, rest: &[&str]) -> Answer {
    let changes = match (at.call.method.as_str(), rest) {
        ("GET", []) => Vec::new(),
        ("POST" | "PUT", []) => match wanted(at) {
            Ok(names) if at.call.method == "POST" => names.into_iter().map(Change::LabelAdded).collect(),
            Ok(names) => difference(&labels(world, at, number), &names, Change::LabelRemoved, Change::LabelAdded),
            Err(answer) => return answer,
        },
        ("DELETE", []) => labels(world, at, number).into_iter().map(Change::LabelRemoved).collect(),
        ("DELETE", [name]) => {
            if !labels(world, at, number).iter().any(|each| each.eq_ignore_ascii_case(name)) {
                return Answer::error(404, "Label does not exist");
            }
            vec![Change::LabelRemoved((*name).to_owned())]
        }
        _ => return Answer::not_found(),
    };
    for change in changes {
        if world.change(&at.actor, at.full_name, number, change).is_none() {
            return Answer::not_found();
        }
    }
    if at.call.method == "DELETE" && rest.is_empty() {
        return Answer::empty(204);
    }
    at.item(world, number, |repo, item| {
        let shown: Vec<Value> = item.labels.iter().map(|each| objects::label(repo, each)).collect();
        if at.call.method == "GET" { Answer::page(at.call, shown) } else { Answer::ok(Value::Array(shown)) }
    })
}

fn labels(world: &World, at: &Place<'_>, number: u64) -> Vec<String> {
    let item = world.repository(at.full_name).and_then(|repo| repo.items.get(&number));
    item.map_or_else(Vec::new, |item| item.labels.iter().map(|label| label.name.clone()).collect())
}

/// `{"labels": […]}` or the bare list; a label is a name or an object with one. At most 50 characters each.
fn wanted(at: &Place<'_>) -> Result<Vec<String>, Answer> {
    let list = at.call.body.get("labels").unwrap_or(&at.call.body);
    let named = || -> Option<Vec<String>> {
        list.as_array()?.iter().map(|each| each.get("name")?.as_str().map(str::to_owned)).collect()
    };
    let names = texts(list).or_else(named).ok_or_else(|| Answer::invalid("Label", "labels", "missing_field"))?;
    if names.iter().any(|name| name.trim().is_empty() || name.chars().count() > 50) {
        return Err(Answer::invalid("Label", "name", "invalid"));
    }
    Ok(names)
}
