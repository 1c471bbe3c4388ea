//! The combinations of a matrix, in GitHub's order; one of them is run.

use serde_json::{Map, Value};

use super::expression::text_of;

/// GitHub runs no more.
const MOST: usize = 256;

/// `strategy.matrix` as written.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    /// Its keys in the order of the file: the first varies slowest.
    pub(super) names: Vec<String>,
    pub(super) value: Value,
}

/// One value for each name.
pub(super) type Combination = Map<String, Value>;

/// The first combination with the wanted values.
///
/// # Errors
/// When there is none, or the matrix is made by an expression.
pub(super) fn choose(matrix: Option<&Matrix>, wanted: &[(String, String)]) -> Result<Combination, String> {
    let Some(matrix) = matrix else { return Ok(Combination::new()) };
    let all = combinations(matrix)?;
    // What this matrix does not know is meant for another job.
    let known: Vec<_> = wanted.iter().filter(|(name, _)| all.iter().any(|each| each.contains_key(name))).collect();
    let fits =
        |each: &&Combination| known.iter().all(|(name, value)| each.get(name).map(text_of).as_ref() == Some(value));
    all.iter().find(fits).cloned().ok_or_else(|| {
        let shown: Vec<_> = all.iter().take(20).map(shown).collect();
        format!("its matrix has no such combination; there is {}", shown.join("; "))
    })
}

/// As `--matrix` takes it.
pub(super) fn shown(combination: &Combination) -> String {
    combination.iter().map(|(name, value)| format!("{name}={}", text_of(value))).collect::<Vec<_>>().join(" ")
}

fn combinations(matrix: &Matrix) -> Result<Vec<Combination>, String> {
    let made = "its matrix is made by an expression, which only GitHub works out".to_owned();
    let Value::Object(axes) = &matrix.value else { return Err(made) };
    let list = |name: &str| match axes.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.iter().filter_map(Value::as_object).cloned().collect::<Vec<_>>()),
        Some(_) => Err(made.clone()),
    };
    let (include, exclude) = (list("include")?, list("exclude")?);
    let mut all = vec![Combination::new()];
    let mut names = Vec::new();
    for name in matrix.names.iter().filter(|name| !matches!(name.as_str(), "include" | "exclude")) {
        let Some(Value::Array(values)) = axes.get(name) else { return Err(made) };
        let with = |before: &Combination, value: &Value| {
            let mut combination = before.clone();
            combination.insert(name.clone(), value.clone());
            combination
        };
        all = all.iter().flat_map(|before| values.iter().map(move |value| with(before, value))).take(MOST).collect();
        names.push(name.clone());
    }
    if names.is_empty() {
        all.clear();
    }
    let is_part =
        |part: &Combination, whole: &Combination| part.iter().all(|(name, value)| whole.get(name) == Some(value));
    all.retain(|combination| !exclude.iter().any(|part| is_part(part, combination)));
    let original = all.len();
    for extra in include {
        let (keys, rest): (Combination, Combination) =
            extra.clone().into_iter().partition(|(name, _)| names.contains(name));
        let mut added = false;
        for combination in all[..original].iter_mut().filter(|combination| is_part(&keys, combination)) {
            combination.extend(rest.clone());
            added = true;
        }
        if !added && all.len() < MOST {
            all.push(extra);
        }
    }
    if all.is_empty() { Err("its matrix has no combination".to_owned()) } else { Ok(all) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Matrix {
        let names = value.as_object().map(|axes| axes.keys().cloned().collect());
        Matrix { names: names.unwrap_or_default(), value }
    }

    /// After the example in GitHub's documentation.
    #[test]
    fn includes_add_to_what_they_fit_and_else_stand_alone() {
        let matrix = of(json!({
            "fruit": ["apple", "pear"], "animal": ["cat", "dog"],
            "include": [
                {"color": "green"}, {"color": "pink", "animal": "cat"}, {"fruit": "apple", "shape": "circle"},
                {"fruit": "banana"}, {"fruit": "banana", "animal": "cat"},
            ],
        }));
        let all: Vec<_> = combinations(&matrix).unwrap().iter().map(|each| json!(each)).collect();
        for expected in [
            json!({"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"}),
            json!({"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"}),
            json!({"fruit": "pear", "animal": "cat", "color": "pink"}),
            json!({"fruit": "pear", "animal": "dog", "color": "green"}),
            json!({"fruit": "banana"}),
            json!({"fruit": "banana", "animal": "cat"}),
        ] {
            assert!(all.contains(&expected), "{expected}: {all:?}");
        }
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn the_first_that_fits_is_chosen() {
        let matrix = of(json!({"os": ["linux", "mac"], "rust": [1, 2], "exclude": [{"os": "linux", "rust": 1}]}));
        let choose = |wanted: &[(&str, &str)]| {
            let wanted: Vec<_> = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            choose(Some(&matrix), &wanted).map(|combination| shown(&combination))
        };
        assert_eq!(choose(&[]).unwrap(), "os=linux rust=2");
        assert_eq!(choose(&[("os", "mac"), ("of-another", "x")]).unwrap(), "os=mac rust=1");
        let told = choose(&[("rust", "3")]).unwrap_err();
        assert!(told.contains("no such combination; there is os=linux rust=2; os=mac rust=1"), "{told}");
        assert!(super::choose(Some(&of(json!("${{ fromJSON(x) }}"))), &[]).is_err());
        assert_eq!(super::choose(None, &[]).unwrap(), Combination::new());
        assert!(super::choose(Some(&of(json!({"include": [{"a": 1}]}))), &[]).unwrap().contains_key("a"));
    }
}
