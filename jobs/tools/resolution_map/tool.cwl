cwlVersion: v1.2
class: CommandLineTool
id: resolution_map
label: Resolution map
doc: Measures the resolution of a map from its two half maps, as a whole (FSC) and place by place.
$namespaces:
  portolan: https://portolan.science/cwl#
  edam: http://edamontology.org/

requirements:
  EnvVarRequirement:
    envDef:
      PYTHONPATH: $(inputs.library.dirname)
      PYTHONDONTWRITEBYTECODE: "1"

hints:
  SoftwareRequirement:
    packages:
      RELION: {version: ["3.1.3"], specs: ["https://bio.tools/relion"]}
  ResourceRequirement:
    coresMin: 2
    ramMin: 4096
  portolan:Form:
    card:
      title: Resolution map
      summary: Two half maps to the resolution of each place, on slices and on the surface.
      order: 3
    groups:
      - title: Maps
        fields: [half1, half2, mask]
      - title: Details
        fields: [pixel_size, detail, sampling, worst_resolution, bfactor, whole_box, nr_mpi]
    schema:
      half1:
        title: First half map
        description: Unfiltered, as refinement writes it (half1).
        x-order: 1
        x-widget: file
        x-accept: [.mrc, .map]
      half2:
        title: Second half map
        description: Of the same refinement (half2).
        x-order: 2
        x-widget: file
        x-accept: [.mrc, .map]
      mask:
        title: Mask
        description: From 0 to 1, soft at its edge. Left out, one is made around the particle.
        x-order: 3
        x-widget: file
        x-accept: [.mrc, .map]
      pixel_size:
        title: Pixel size
        description: Left out, it is taken from the maps.
        exclusiveMinimum: 0
        maximum: 100
        x-unit: Å
        x-expert: true
        x-order: 4
      detail:
        title: Detail
        description: Finer detail takes several times longer and is noisier.
        enum: [quick, standard, fine]
        x-expert: true
        x-order: 5
      sampling:
        title: Sampling distance
        description: Distance of two measured places; overrules the detail.
        exclusiveMinimum: 0
        maximum: 1000
        x-unit: Å
        x-expert: true
        x-order: 6
      worst_resolution:
        title: Worst resolution
        description: What is worse is given as this.
        exclusiveMinimum: 0
        maximum: 1000
        x-unit: Å
        x-expert: true
        x-order: 7
      bfactor:
        title: Sharpening B-factor
        description: Negative numbers sharpen.
        minimum: -2000
        maximum: 2000
        x-unit: Å²
        x-expert: true
        x-order: 8
      whole_box:
        title: No mask at all
        description: Measures in the whole box when no mask is given.
        x-expert: true
        x-order: 9
      nr_mpi:
        title: Processes
        description: MPI processes that share the places.
        minimum: 1
        maximum: 64
        x-expert: true
        x-order: 10
    sample:
      half1: {class: File, path: samples/resolution/half1.mrc}
      half2: {class: File, path: samples/resolution/half2.mrc}
      mask: {class: File, path: samples/resolution/mask.mrc}
      detail: quick
    queue: {cores: 2, memory_mb: 4096}
    programs: [relion_postprocess]
    expected_seconds: 15
    results:
      - {output: filtered_map, viewer: map-coloured, colour_by: local_resolution, title: Map coloured by resolution}
      - {output: slices, viewer: image, title: Slices coloured by resolution}
      - {output: fsc_chart, viewer: chart, title: Fourier shell correlation}
      - {output: histogram_chart, viewer: chart, title: Local resolution}
      - {output: local_resolution, viewer: map, title: Local resolution as a volume, folded: true}
      - {output: postprocessed, viewer: map, title: Post-processed map, folded: true}
      - {output: fsc_table, viewer: table, title: Fourier shell correlation in numbers, folded: true}
      - output: summary
        viewer: text
        title: Summary
        folded: true
        numbers:
          - {field: crossing_0143_A, title: Resolution at FSC 0.143, unit: Å}
          - {field: local_median_A, title: Local resolution (median), unit: Å}
          - {field: local_finest_A, title: Finest, unit: Å}
          - {field: local_coarsest_A, title: Coarsest, unit: Å}
      - {output: logs, viewer: text, title: RELION's logs, folded: true}

baseCommand: [python3]

inputs:
  script:
    type: File
    default:
      class: File
      location: resolution_map.py
      secondaryFiles:
        - {class: File, location: half_maps.py}
        - {class: File, location: resolution_figures.py}
    inputBinding: {position: 0}
  library:
    type: File
    default:
      class: File
      location: ../common/toolkit.py
      secondaryFiles:
        - {class: File, location: ../common/toolkit_images.py}
        - {class: File, location: ../common/toolkit_charts.py}
  half1:
    type: File
    label: First half map
    inputBinding: {prefix: --half1, position: 1}
  half2:
    type: File
    label: Second half map
    inputBinding: {prefix: --half2, position: 1}
  mask:
    type: File?
    label: Mask
    inputBinding: {prefix: --mask, position: 1}
  pixel_size:
    type: double?
    label: Pixel size
    inputBinding: {prefix: --pixel-size, position: 1}
  detail:
    type: {type: enum, symbols: [quick, standard, fine]}
    label: Detail
    default: standard
    inputBinding: {prefix: --detail, position: 1}
  sampling:
    type: double?
    label: Sampling distance
    inputBinding: {prefix: --sampling, position: 1}
  worst_resolution:
    type: double
    label: Worst resolution
    default: 50
    inputBinding: {prefix: --worst-resolution, position: 1}
  bfactor:
    type: double
    label: Sharpening B-factor
    default: 0
    inputBinding: {prefix: --bfactor, position: 1}
  whole_box:
    type: boolean
    label: No mask at all
    default: false
    inputBinding: {prefix: --whole-box, position: 1}
  nr_mpi:
    type: int
    label: Processes
    default: 2
    inputBinding: {prefix: --nr-mpi, position: 1}

outputs:
  filtered_map:
    type: File
    label: Map filtered to its local resolution
    format: portolan:mrc-volume
    outputBinding: {glob: local_filtered.mrc}
  local_resolution:
    type: File
    label: Local resolution as a volume
    format: portolan:mrc-volume
    outputBinding: {glob: local_resolution.mrc}
  postprocessed:
    type: File
    label: Post-processed map
    format: portolan:mrc-volume
    outputBinding: {glob: postprocessed.mrc}
  mask_used:
    type: File
    label: Mask as used
    format: portolan:mrc-volume
    outputBinding: {glob: mask_used.mrc}
  slices:
    type: File
    label: Slices coloured by resolution
    format: edam:format_3603
    outputBinding: {glob: slices.png}
  fsc_chart:
    type: File
    label: Fourier shell correlation
    format: portolan:vega-lite
    outputBinding: {glob: fsc.vl.json}
  histogram_chart:
    type: File
    label: Local resolution
    format: portolan:vega-lite
    outputBinding: {glob: histogram.vl.json}
  fsc_table:
    type: File
    label: Fourier shell correlation in numbers
    format: edam:format_3752
    outputBinding: {glob: fsc.csv}
  summary:
    type: File
    label: Summary
    format: edam:format_3464
    outputBinding: {glob: summary.json}
  logs:
    type: File[]
    label: RELION's logs
    format: edam:format_2330
    outputBinding: {glob: [fsc.log, local_resolution.log]}
