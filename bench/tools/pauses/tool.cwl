cwlVersion: v1.2
class: CommandLineTool
label: Pauses
doc: Waits for each file and says when it was over, so that an array of many short elements can be measured.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  portolan:Form:
    sample: {seconds: 1, files: {pattern: "many/*.txt"}}
    queue: {cores: 1, memory_mb: 64}
    results:
      - {output: said, viewer: text, title: When each was over}
  portolan:Scatter:
    over: files
    least: 1
    most: 1000
    merge: merge.cwl
baseCommand: [sh, -c, 'for one; do sleep "$0"; date +%s.%N; done > said.txt']
inputs:
  seconds: {type: int, inputBinding: {position: 1}}
  files: {type: "File[]", inputBinding: {position: 2}}
outputs:
  said: {type: File, outputBinding: {glob: said.txt}}
