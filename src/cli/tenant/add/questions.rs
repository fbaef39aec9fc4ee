//! Asking on a terminal: a question is asked again until its answer makes sense.

use std::io::{BufRead, Read, Write};

use anyhow::{Context, bail};

/// A terminal, or what stands in for one.
pub(super) struct Questions<'a> {
    input: Box<dyn BufRead + 'a>,
    output: Box<dyn Write + 'a>,
}

/// Bytes of an answer at most: an RSA key of 8192 bits has 1,400.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// Answers to one question that makes several at most.
const MOST: usize = 20;

impl<'a> Questions<'a> {
    pub fn new(input: impl BufRead + 'a, output: impl Write + 'a) -> Self {
        Self { input: Box::new(input), output: Box::new(output) }
    }

    /// Asks until `parse` takes the answer; an empty one is the default, where there is one.
    ///
    /// # Errors
    /// The terminal is gone, or its user has ended the input.
    pub fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> anyhow::Result<T> {
        loop {
            let shown = default.filter(|default| !default.is_empty());
            let shown = shown.map(|default| format!(" [{default}]")).unwrap_or_default();
            write!(self.output, "{question}{shown}: ").and_then(|()| self.output.flush())?;
            let answer = self.line()?;
            let answer = if answer.is_empty() { default.unwrap_or_default() } else { &answer };
            match parse(answer) {
                Ok(parsed) => return Ok(parsed),
                Err(problem) => writeln!(self.output, "  {problem}")?,
            }
        }
    }

    /// Asks for several things, one a line, until an empty line.
    ///
    /// # Errors
    /// As [`Questions::ask`].
    pub fn ask_several<T>(
        &mut self,
        question: &str,
        parse: impl Fn(&str) -> Result<Vec<T>, String>,
    ) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::new();
        while all.len() < MOST {
            let number = all.len() + 1;
            let more = if all.is_empty() { String::new() } else { format!(", number {number}") };
            let question = format!("{question}{more} (empty: no more)");
            let some =
                self.ask(&question, Some(""), |answer| if answer.is_empty() { Ok(vec![]) } else { parse(answer) })?;
            if some.is_empty() {
                break;
            }
            all.extend(some);
        }
        Ok(all)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let read = self.input.by_ref().take(LONGEST_ANSWER).read_line(&mut line).context("cannot read the answer")?;
        if read == 0 {
            bail!("the input ended before every question was answered; nothing was written");
        }
        Ok(line.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_until_its_answer_makes_sense() {
        let mut said = Vec::new();
        {
            let mut questions = Questions::new(&b"x\n7\n\n1\n2\n\n"[..], &mut said);
            let number = |text: &str| text.parse::<u32>().map_err(|error| error.to_string());
            assert_eq!(questions.ask("How many", None, number).unwrap(), 7);
            assert_eq!(questions.ask("How many", Some("3"), number).unwrap(), 3);
            assert_eq!(questions.ask_several("Which", |text| number(text).map(|one| vec![one])).unwrap(), [1, 2]);
            assert!(questions.ask("More", None, number).is_err());
        }
        let said = String::from_utf8(said).unwrap();
        assert_eq!(
            said,
            "How many:   invalid digit found in string\nHow many: How many [3]: Which (empty: no more): \
             Which, number 2 (empty: no more): Which, number 3 (empty: no more): More: "
        );
    }
}
