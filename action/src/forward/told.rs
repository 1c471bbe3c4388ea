//! What the step is given to tell, read from its inputs.

use orchd::core::forward::{LONGEST_SUMMARY, Tests, Told};
use serde_json::{Map, Value};

use super::{NEEDS, OUTPUTS, SUMMARY, TESTS};
use crate::failure::Failure;
use crate::inputs::{Input, quoted};

/// What is told, and whether the summary had to be cut.
///
/// # Errors
/// When an input is not what it must be.
pub(super) fn told<'i>(job: Option<&str>, input: impl Fn(&Input) -> Option<&'i str>) -> Result<(Told, bool), Failure> {
    let summary = input(&SUMMARY).map(|text| text.chars().take(LONGEST_SUMMARY).collect::<String>());
    let cut = input(&SUMMARY).is_some_and(|text| text.chars().nth(LONGEST_SUMMARY).is_some());
    let told = Told {
        job: job.map(str::to_owned),
        needs: object(&NEEDS, input(&NEEDS))?,
        outputs: object(&OUTPUTS, input(&OUTPUTS))?,
        summary,
        tests: input(&TESTS).map(tests).transpose()?,
    };
    Ok((told, cut))
}

fn object(input: &Input, text: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(text) = text else { return Ok(Map::new()) };
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Failure::setup(format!("input `{}` is JSON, and no object: {}", input.name, input.about))),
        Err(error) => Err(Failure::setup(format!("input `{}` is no JSON ({error}): {}", input.name, input.about))),
    }
}

fn tests(text: &str) -> Result<Tests, Failure> {
    let mut tests = Tests::default();
    for word in text.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty()) {
        let count = word.split_once('=').and_then(|(name, count)| Some((name, count.parse().ok()?)));
        match count {
            Some(("passed", count)) => tests.passed = count,
            Some(("failed", count)) => tests.failed = count,
            Some(("skipped", count)) => tests.skipped = count,
            _ => {
                let told = format!("input `tests` has {}: write `passed=40 failed=1 skipped=2`", quoted(word));
                return Err(Failure::setup(told));
            }
        }
    }
    Ok(tests)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests_of_inputs {
    use super::*;

    fn read(set: &[(&Input, &'static str)]) -> Result<Told, String> {
        let of = |input: &Input| set.iter().find(|(name, _)| name.name == input.name).map(|(_, text)| *text);
        told(Some("build"), of).map(|(told, _)| told).map_err(|failure| failure.annotations()[0].message.clone())
    }

    #[test]
    fn what_is_given_is_told_and_what_is_odd_is_refused_with_what_to_write() {
        let told = read(&[(&NEEDS, r#"{"a": {"result": "success"}}"#), (&TESTS, "passed=3, failed=1")]).unwrap();
        assert_eq!(told.needs["a"]["result"], "success");
        assert_eq!(told.tests, Some(Tests { passed: 3, failed: 1, skipped: 0 }));
        assert_eq!(told.summary, None);
        assert!(read(&[(&OUTPUTS, "[1]")]).unwrap_err().contains("no object"));
        assert!(read(&[(&NEEDS, "success")]).unwrap_err().contains("toJSON(needs)"));
        assert!(read(&[(&TESTS, "passed=many")]).unwrap_err().contains("`passed=many`: write `passed=40"));
    }

    #[test]
    fn a_summary_that_is_too_long_is_cut() {
        let long = "ä".repeat(LONGEST_SUMMARY + 1);
        let (told, cut) = told(None, |input| (input.name == SUMMARY.name).then_some(long.as_str())).unwrap();
        assert!(cut && told.summary.unwrap().chars().count() == LONGEST_SUMMARY);
    }
}
