cwlVersion: v1.2
class: CommandLineTool
label: Pause
doc: Waits and says when it was over, so that many short jobs can be measured.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  portolan:Form:
    sample: {seconds: 1}
    queue: {cores: 1, memory_mb: 64}
    results:
      - {output: said, viewer: text, title: When it was over}
baseCommand: [sh, -c, 'sleep "$0"; date +%s.%N']
inputs:
  seconds: {type: int, inputBinding: {position: 1}}
stdout: said.txt
outputs:
  said: {type: stdout}
