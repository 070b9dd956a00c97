"""What the documentation site shows that no Markdown file holds: pages made from the spec, and llms.txt."""
