//! The labelling configuration of Label Studio, as far as a model of text needs it: what the
//! control with the labels is called, what it labels, and which of the task's data that is.

/// What a task's text is called, and how regions of it are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tags {
    /// Name of `<Labels>`.
    pub(super) from_name: String,
    /// Name of the `<Text>` that it labels.
    pub(super) to_name: String,
    /// The field of a task's data that is its text.
    pub(super) field: String,
    /// The labels that a person may choose; empty where all are allowed.
    pub(super) labels: Vec<String>,
}

impl Default for Tags {
    fn default() -> Self {
        Self { from_name: "label".to_owned(), to_name: "text".to_owned(), field: "text".to_owned(), labels: Vec::new() }
    }
}

impl Tags {
    /// The tags of a configuration: of its first `<Labels>` that labels a `<Text>`.
    ///
    /// # Errors
    /// Why there are none, in words.
    pub(super) fn read(config: &str) -> Result<Self, String> {
        let document = roxmltree::Document::parse(config).map_err(|error| format!("it is not XML: {error}"))?;
        let elements = || document.descendants().filter(roxmltree::Node::is_element);
        let named = |tag: &str| elements().filter(move |node| node.has_tag_name(tag)).collect::<Vec<_>>();
        let texts = named("Text");
        let pair = named("Labels").into_iter().find_map(|labels| {
            let text = texts.iter().find(|text| text.attribute("name") == labels.attribute("toName"))?;
            Some((labels, *text))
        });
        let (labels, text) = pair.ok_or("it has no <Labels> that labels a <Text>")?;
        let attribute = |node: roxmltree::Node<'_, '_>, name: &str| {
            node.attribute(name).map(str::to_owned).ok_or(format!("a tag has no {name}"))
        };
        let value = attribute(text, "value")?;
        let field = value.strip_prefix('$').ok_or("the value of <Text> is no $field of a task")?;
        let is_label = |node: &roxmltree::Node<'_, '_>| node.is_element() && node.has_tag_name("Label");
        Ok(Self {
            from_name: attribute(labels, "name")?,
            to_name: attribute(text, "name")?,
            field: field.to_owned(),
            labels: labels
                .descendants()
                .filter(is_label)
                .filter_map(|l| l.attribute("value"))
                .map(str::to_owned)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: &str, want: Result<(&str, &str, &str, &[&str]), &str>) {
        let got = Tags::read(config);
        let want = want.map(|(from, to, field, labels)| Tags {
            from_name: from.to_owned(),
            to_name: to.to_owned(),
            field: field.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        });
        assert_eq!(got, want.map_err(str::to_owned), "{config}");
    }

    #[test]
    fn names_are_those_of_the_configuration() {
        check(
            r#"<View><Labels name="ner" toName="t"><Label value="PER"/><Label value="LOC" background="red"/></Labels>
               <Text name="t" value="$tweet"/><Image name="img" value="$image"/></View>"#,
            Ok(("ner", "t", "tweet", &["PER", "LOC"])),
        );
        check("<View><Text name=\"t\" value=\"$t\"/></View>", Err("it has no <Labels> that labels a <Text>"));
        check("<View>", Err("it is not XML: the root node was opened but never closed"));
    }
}
