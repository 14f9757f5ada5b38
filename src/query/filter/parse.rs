//! From tokens to the tree of an expression, by recursive descent.
//!
//! ```text
//! any   = all { "or" all }
//! all   = unit { "and" unit }
//! unit  = "not" unit | "(" any ")" | test
//! test  = field | field operator value | field "in" "{" value { "," value } "}"
//! ```

use std::ops::Range;

use super::error::{Mistake, nearest};
use super::expression::{Expression, Sense, Test};
use super::field::{Field, NAMES, Number, TextField};
use super::token::{Operator, Spanned, Token, tokens};
use super::value::{AddressPattern, Comparison, Pattern};
use crate::anomaly::Anomaly;
use crate::exchange::State;
use crate::http::Framing;
use crate::limits::FILTER_DEPTH_MAX;
use crate::query::quantity;

/// Reads a whole expression.
pub(super) fn expression(source: &str) -> Result<Expression, Mistake> {
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0, length: source.len() };
    if parser.tokens.is_empty() {
        return Err(Mistake::new(
            parser.here(),
            "the filter is empty",
            "a comparison such as `status >= 500` is expected",
        ));
    }
    let read = parser.any()?;
    match parser.peek() {
        None => Ok(read),
        Some(Token::Close) => Err(Mistake::new(
            parser.here(),
            "a parenthesis is closed that was not opened",
            "leave it out, or open one before",
        )),
        Some(Token::Operator(operator)) => Err(Mistake::new(
            parser.here(),
            format!("`{}` compares nothing here", operator.sign()),
            "put the value in quotes if this belongs to it",
        )),
        Some(_) => Err(Mistake::new(
            parser.here(),
            "two tests stand side by side",
            "`and` or `or` is expected before this",
        )),
    }
}

struct Parser {
    tokens: Vec<Spanned>,
    at: usize,
    depth: usize,
    /// Bytes of the expression: where its end is.
    length: usize,
}

/// The right side of a comparison.
struct Value {
    text: String,
    span: Range<usize>,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|spanned| &spanned.token)
    }

    fn here(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.length..self.length, |spanned| spanned.span.clone())
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Expression, Mistake> {
        let mut parts = vec![self.all()?];
        while self.take(&Token::Or) {
            parts.push(self.all()?);
        }
        Ok(single(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, Mistake> {
        let mut parts = vec![self.unit()?];
        while self.take(&Token::And) {
            parts.push(self.unit()?);
        }
        Ok(single(parts, Expression::All))
    }

    fn unit(&mut self) -> Result<Expression, Mistake> {
        let opening = self.here();
        if self.take(&Token::Not) {
            let inner = self.nested(opening, Self::unit)?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.take(&Token::Open) {
            let inner = self.nested(opening.clone(), Self::any)?;
            if !self.take(&Token::Close) {
                let mistake = match self.peek() {
                    None => Mistake::new(
                        opening,
                        "a parenthesis is not closed",
                        "no closing `)` follows",
                    ),
                    Some(_) => Mistake::new(
                        self.here(),
                        "two tests stand side by side",
                        "`and`, `or` or `)` is expected before this",
                    ),
                };
                return Err(mistake);
            }
            return Ok(inner);
        }
        self.test()
    }

    fn nested(
        &mut self,
        opening: Range<usize>,
        read: fn(&mut Self) -> Result<Expression, Mistake>,
    ) -> Result<Expression, Mistake> {
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX {
            return Err(Mistake::new(
                opening,
                "the filter nests too deep",
                format!("at most {FILTER_DEPTH_MAX} levels"),
            ));
        }
        let inner = read(self)?;
        self.depth -= 1;
        Ok(inner)
    }

    fn test(&mut self) -> Result<Expression, Mistake> {
        let span = self.here();
        let name = match self.peek() {
            Some(Token::Word(name)) => name.clone(),
            Some(Token::Quoted(_)) => {
                return Err(Mistake::new(
                    span,
                    "a string stands where a field is expected",
                    "a field such as `path`; strings stand right of an operator",
                ));
            }
            _ => {
                return Err(Mistake::new(
                    span,
                    "a test is missing",
                    "a field such as `status` is expected here",
                ));
            }
        };
        let field =
            Field::from_name(&name.to_ascii_lowercase()).ok_or_else(|| unknown(&name, &span))?;
        self.at += 1;
        let operator_span = self.here();
        let Some(&Token::Operator(operator)) = self.peek() else {
            return bare(&name, field, span);
        };
        self.at += 1;
        if operator == Operator::In {
            return self.membership(&name, &field, &operator_span);
        }
        let value = self.value(&name, &field)?;
        comparison(&Subject { name: &name, field: &field }, operator, operator_span, &value)
    }

    fn value(&mut self, name: &str, field: &Field) -> Result<Value, Mistake> {
        let span = self.here();
        let text = match self.peek() {
            Some(Token::Word(text) | Token::Quoted(text)) => text.clone(),
            _ => {
                return Err(Mistake::new(
                    span,
                    format!("`{name}` is compared with nothing"),
                    format!("{} is expected here", expected(field)),
                ));
            }
        };
        self.at += 1;
        Ok(Value { text, span })
    }

    /// The rest of `field in {a, b}`, or `field in a`.
    fn membership(
        &mut self,
        name: &str,
        field: &Field,
        span: &Range<usize>,
    ) -> Result<Expression, Mistake> {
        let subject = Subject { name, field };
        let opening = self.here();
        if !self.take(&Token::BraceOpen) {
            let value = self.value(name, field)?;
            return comparison(&subject, Operator::Equal, span.clone(), &value);
        }
        let mut parts = Vec::new();
        while !self.take(&Token::BraceClose) {
            if self.peek().is_none() {
                return Err(Mistake::new(
                    opening,
                    "a brace is not closed",
                    "no closing `}` follows",
                ));
            }
            let value = self.value(name, field)?;
            parts.push(comparison(&subject, Operator::Equal, span.clone(), &value)?);
            self.take(&Token::Comma);
        }
        Ok(single(parts, Expression::Any))
    }
}

/// The left side of a comparison.
struct Subject<'a> {
    name: &'a str,
    field: &'a Field,
}

fn single(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

fn unknown(name: &str, span: &Range<usize>) -> Mistake {
    let known = NAMES.into_iter().filter(|known| !known.contains("NAME"));
    let label = if status_class(name).is_some() {
        format!("did you mean `class = {name}`?")
    } else if let Some(near) = nearest(name, known) {
        format!("did you mean `{near}`?")
    } else {
        "no field has this name".to_owned()
    };
    Mistake::new(span.clone(), format!("unknown field `{name}`"), label)
        .help(format!("the fields are {}", NAMES.join(", ")))
}

/// A field alone: whether there is such a thing.
fn bare(name: &str, field: Field, span: Range<usize>) -> Result<Expression, Mistake> {
    Ok(Expression::Test(match field {
        Field::Number(number) => Test::HasNumber(number),
        Field::Text(field) => Test::HasText(field),
        Field::Anomaly => Test::AnyAnomaly,
        Field::Suspect => Test::Suspect(Sense::Is),
        Field::Address(_) | Field::Start | Field::State | Field::Framing(_) | Field::Id => {
            return Err(Mistake::new(
                span,
                format!("every exchange has `{name}`"),
                format!("compare it with {}", expected(&field)),
            ));
        }
    }))
}

/// What may stand right of the operator, in a few words.
fn expected(field: &Field) -> &'static str {
    match field {
        Field::Number(Number::Phase(_)) => "a duration such as `200ms`",
        Field::Number(Number::Status) => "a status such as `404`, or a class such as `4xx`",
        Field::Number(Number::Class) => "a class such as `5xx`",
        Field::Number(Number::BodyBytes(_) | Number::HeaderBytes(_)) => "a size such as `64K`",
        Field::Number(Number::Index | Number::Port(_)) => "a number",
        Field::Text(TextField::Route) => "a route such as `\"GET /cart\"`",
        Field::Text(TextField::Method) => "a method such as `POST`",
        Field::Text(_) => "a word or a string in quotes",
        Field::Address(_) => "an address such as `10.0.0.1`, `10.0.0.1:80` or `10.0.0.0/8`",
        Field::Start => "an instant such as `2026-11-21T06:34:25Z`",
        Field::State => "one of complete, truncated, unanswered, open, orphan",
        Field::Framing(_) => "one of none, length, chunked, close, tunnel",
        Field::Anomaly => "an anomaly such as `gap_in_response`",
        Field::Suspect => "`true` or `false`",
        Field::Id => "the beginning of an id",
    }
}

fn comparison(
    subject: &Subject<'_>,
    operator: Operator,
    span: Range<usize>,
    value: &Value,
) -> Result<Expression, Mistake> {
    let test = match subject.field {
        Field::Number(number) => number_test(*number, order(subject, operator, span)?, value)?,
        Field::Start => {
            let comparison = order(subject, operator, span)?;
            let at = quantity::instant(&value.text).ok_or_else(|| wrong(subject, value))?;
            Test::Start(comparison, at)
        }
        Field::Text(field) => {
            let (pattern, sense) = pattern(subject, operator, span, value)?;
            Test::Text(field.clone(), pattern, sense)
        }
        Field::Address(role) => {
            if let Some(sense) = sense(operator) {
                let pattern =
                    AddressPattern::parse(&value.text).ok_or_else(|| wrong(subject, value))?;
                Test::Address(*role, pattern, sense)
            } else {
                let (pattern, sense) = pattern(subject, operator, span, value)?;
                Test::AddressText(*role, pattern, sense)
            }
        }
        _ => name_test(subject, operator, span, value)?,
    };
    Ok(Expression::Test(test))
}

/// A test of a field that holds one of a few names.
fn name_test(
    subject: &Subject<'_>,
    operator: Operator,
    span: Range<usize>,
    value: &Value,
) -> Result<Test, Mistake> {
    let sense =
        sense(operator).ok_or_else(|| wrong_operator(subject, operator, span, "`=` or `!=`"))?;
    let text = value.text.as_str();
    let read = match subject.field {
        Field::State => State::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .map(|state| Test::State(state, sense)),
        Field::Framing(side) => Framing::ALL
            .into_iter()
            .find(|framing| framing.name() == text)
            .map(|framing| Test::Framing(*side, framing, sense)),
        Field::Anomaly => Anomaly::ALL
            .iter()
            .find(|anomaly| anomaly.name() == text)
            .map(|&anomaly| Test::Anomaly(anomaly, sense)),
        Field::Suspect => match (text, sense) {
            ("true", sense) => Some(Test::Suspect(sense)),
            ("false", Sense::Is) => Some(Test::Suspect(Sense::IsNot)),
            ("false", Sense::IsNot) => Some(Test::Suspect(Sense::Is)),
            _ => None,
        },
        Field::Id => Some(Test::Id(text.to_owned(), sense)),
        Field::Number(_) | Field::Text(_) | Field::Address(_) | Field::Start => None,
    };
    read.ok_or_else(|| wrong(subject, value))
}

const fn sense(operator: Operator) -> Option<Sense> {
    match operator {
        Operator::Equal => Some(Sense::Is),
        Operator::NotEqual => Some(Sense::IsNot),
        _ => None,
    }
}

fn order(
    subject: &Subject<'_>,
    operator: Operator,
    span: Range<usize>,
) -> Result<Comparison, Mistake> {
    Ok(match operator {
        Operator::Equal => Comparison::Equal,
        Operator::NotEqual => Comparison::NotEqual,
        Operator::Less => Comparison::Less,
        Operator::LessOrEqual => Comparison::LessOrEqual,
        Operator::Greater => Comparison::Greater,
        Operator::GreaterOrEqual => Comparison::GreaterOrEqual,
        Operator::Matches | Operator::NotMatches | Operator::Contains | Operator::In => {
            let fitting = "`=`, `!=`, `<`, `<=`, `>` or `>=`";
            return Err(wrong_operator(subject, operator, span, fitting));
        }
    })
}

fn number_test(number: Number, comparison: Comparison, value: &Value) -> Result<Test, Mistake> {
    let text = value.text.as_str();
    let class = status_class(text);
    let (number, read) = match number {
        Number::Status | Number::Class if class.is_some() => (Number::Class, class),
        Number::Phase(_) => (number, quantity::duration_ns(text)),
        Number::BodyBytes(_) | Number::HeaderBytes(_) => (number, quantity::size_bytes(text)),
        Number::Status | Number::Class | Number::Index | Number::Port(_) => {
            (number, text.parse().ok())
        }
    };
    if let Some(read) = read {
        return Ok(Test::Number(number, comparison, read));
    }
    let field = Field::Number(number);
    let unitless = matches!(number, Number::Phase(_)) && text.parse::<f64>().is_ok();
    Err(if unitless {
        Mistake::new(
            value.span.clone(),
            "a duration needs its unit",
            format!("write `{text}ms`, `{text}us`, or `{text}s`"),
        )
    } else {
        Mistake::new(
            value.span.clone(),
            format!("`{text}` does not fit here"),
            format!("{} is expected here", expected(&field)),
        )
    })
}

/// `5xx` in either case, as its digit.
fn status_class(text: &str) -> Option<u64> {
    match text.as_bytes() {
        [digit @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] => Some(u64::from(digit - b'0')),
        _ => None,
    }
}

/// A pattern of text and whether it must match.
fn pattern(
    subject: &Subject<'_>,
    operator: Operator,
    span: Range<usize>,
    value: &Value,
) -> Result<(Pattern, Sense), Mistake> {
    let text = value.text.as_str();
    let exactly = || match subject.field {
        Field::Text(TextField::Host) => Pattern::Host(text.as_bytes().to_vec()),
        _ => Pattern::Exactly(text.as_bytes().to_vec()),
    };
    let regex = || {
        Pattern::regex(text).map_err(|error| {
            // The library's message draws its own caret over several lines; its last line says
            // what is wrong.
            let told = error.to_string();
            let told = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Mistake::new(value.span.clone(), "the regular expression cannot be read", told)
        })
    };
    Ok(match operator {
        Operator::Equal => (exactly(), Sense::Is),
        Operator::NotEqual => (exactly(), Sense::IsNot),
        Operator::Matches => (regex()?, Sense::Is),
        Operator::NotMatches => (regex()?, Sense::IsNot),
        Operator::Contains => (Pattern::contains(text), Sense::Is),
        _ => {
            let fitting = "`=`, `!=`, `~`, `!~`, `contains` or `in`";
            return Err(wrong_operator(subject, operator, span, fitting));
        }
    })
}

fn wrong_operator(
    subject: &Subject<'_>,
    operator: Operator,
    span: Range<usize>,
    fitting: &str,
) -> Mistake {
    Mistake::new(
        span,
        format!("`{}` cannot be compared by `{}`", subject.name, operator.sign()),
        format!("{fitting} is expected here"),
    )
}

fn wrong(subject: &Subject<'_>, value: &Value) -> Mistake {
    let text = value.text.as_str();
    let near = match subject.field {
        Field::Anomaly => nearest(text, Anomaly::ALL.iter().map(|anomaly| anomaly.name())),
        Field::State => nearest(text, State::ALL.iter().map(|state| state.name())),
        Field::Framing(_) => nearest(text, Framing::ALL.iter().map(|framing| framing.name())),
        _ => None,
    };
    let label = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{} is expected here", expected(subject.field)),
    };
    let mistake = Mistake::new(
        value.span.clone(),
        format!("`{text}` is no value of `{}`", subject.name),
        label,
    );
    match subject.field {
        Field::Anomaly => mistake.help(format!(
            "the anomalies are {}",
            Anomaly::ALL.iter().map(|anomaly| anomaly.name()).collect::<Vec<_>>().join(", ")
        )),
        _ => mistake,
    }
}
