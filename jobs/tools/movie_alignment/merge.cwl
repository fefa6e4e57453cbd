cwlVersion: v1.2
class: CommandLineTool
label: Movie alignment, merged
doc: Makes the results of one alignment from those of its parts.

requirements:
  EnvVarRequirement:
    envDef:
      PYTHONPATH: $(inputs.library.dirname)
      PYTHONDONTWRITEBYTECODE: "1"

baseCommand: [python3]

inputs:
  script:
    type: File
    default:
      class: File
      location: merge_alignment.py
      secondaryFiles:
        - {class: File, location: alignment_motion.py}
    inputBinding: {position: 0}
  library:
    type: File
    default:
      class: File
      location: ../common/toolkit.py
      secondaryFiles:
        - {class: File, location: ../common/toolkit_charts.py}
        - {class: File, location: ../common/toolkit_star.py}
  pixel_size:
    type: double
    inputBinding: {prefix: --pixel-size, position: 1}
  dose_per_frame:
    type: double
    inputBinding: {prefix: --dose-per-frame, position: 1}
  parts:
    type: Directory[]
    inputBinding: {prefix: --parts, position: 2}

outputs: []
