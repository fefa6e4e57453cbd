cwlVersion: v1.2
class: CommandLineTool
label: Count words
doc: |
  Counts the words of text files, for tests.

  It gives a text file with the count.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  portolan:Form:
    schema:
      texts: {title: Texts, x-widget: files, x-accept: [".txt"]}
      label: {title: Label, maxLength: 40}
      least: {title: Least, minimum: 0, maximum: 100, x-unit: words}
    groups:
      - {title: Data, fields: [texts]}
    sample: {texts: {pattern: "*.txt"}}
    queue: {cores: 1, memory_mb: 200}
    results:
      - {output: counts, viewer: text, title: Word counts}
baseCommand: [wc, -w]
inputs:
  texts: {type: "File[]", inputBinding: {position: 1}}
  label: {type: string?}
  least: {type: int?, default: 0}
outputs:
  counts: {type: File, outputBinding: {glob: counts.txt}}
stdout: counts.txt
