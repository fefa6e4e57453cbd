cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, 'for one; do while read -r line; do echo "$line"; done < "$one/said.txt"; done > said.txt', sh]
inputs:
  parts: {type: "Directory[]", inputBinding: {position: 1}}
outputs: []
