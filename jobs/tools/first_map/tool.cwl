cwlVersion: v1.2
class: CommandLineTool
id: first_map
label: First map
doc: Makes a first 3-D map from 2-D class averages with RELION's gradient-driven initial model, from several seeds.
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
    ramMin: 2048
  portolan:Form:
    card:
      title: First map
      summary: Class averages to a first 3-D map. Several attempts are made, and the best is kept.
      order: 2
    groups:
      - title: Averages
        fields: [averages, pixel_size, particle_diameter]
      - title: Map
        fields: [symmetry, classes]
      - title: Search
        fields: [effort, seeds, first_seed, start_resolution, final_resolution, offset_range, stack]
    schema:
      averages:
        title: Class averages
        description: An image stack, or a STAR file that names the averages.
        x-order: 1
        x-widget: file
        x-accept: [.mrcs, .mrc, .star]
      pixel_size:
        title: Pixel size
        description: Of the averages. Left out, it is taken from the file.
        exclusiveMinimum: 0
        maximum: 100
        x-unit: Å
        x-order: 2
      particle_diameter:
        title: Particle diameter
        description: The longest side of the particle and a little more; what is outside is masked.
        exclusiveMinimum: 0
        maximum: 20000
        x-unit: Å
        x-order: 3
        examples: [180]
      symmetry:
        title: Symmetry
        description: C1 when it is not known; else a point group such as C4, D7, T, O or I1.
        pattern: "^ *([CcDd][1-9][0-9]?|[TtOo]|[Ii][1-4]?) *$"
        x-order: 4
        examples: [C1]
      classes:
        title: Number of maps
        description: More than one sorts the averages into so many different structures.
        minimum: 1
        maximum: 10
        x-expert: true
        x-order: 5
      effort:
        title: Effort
        description: How many rounds each seed gets (45, 100 or 300).
        enum: [quick, standard, thorough]
        x-expert: true
        x-order: 6
      seeds:
        title: Seeds
        description: Attempts from different random starts; about every second one succeeds on its own.
        minimum: 1
        maximum: 20
        x-expert: true
        x-order: 7
      first_seed:
        title: First seed
        description: Another number gives other random starts.
        minimum: 0
        maximum: 1000000
        x-expert: true
        x-order: 8
      start_resolution:
        title: Start resolution
        exclusiveMinimum: 0
        maximum: 1000
        x-unit: Å
        x-expert: true
        x-order: 9
      final_resolution:
        title: Final resolution
        description: The map shows no finer detail than this.
        exclusiveMinimum: 0
        maximum: 1000
        x-unit: Å
        x-expert: true
        x-order: 10
      offset_range:
        title: Search of the centre
        description: How far from the middle of the image a particle may lie.
        minimum: 0
        maximum: 50
        x-unit: px
        x-expert: true
        x-order: 11
      stack:
        title: Image stack of the STAR file
        description: Needed when the stack that the STAR file names does not lie beside it.
        x-expert: true
        x-order: 12
        x-widget: file
        x-accept: [.mrcs, .mrc]
    sample:
      averages: {class: File, path: samples/averages/averages.mrcs}
      particle_diameter: 250
      symmetry: C1
      effort: quick
      seeds: 4
      offset_range: 2
    queue: {cores: 2, memory_mb: 2048}
    programs: [relion_refine]
    expected_seconds: 80
    results:
      - {output: maps, viewer: map, title: First map}
      - {output: slices, viewer: image, title: Slices, folded: true}
      - {output: progress_chart, viewer: chart, title: Progress of each seed}
      - {output: scores, viewer: table, title: Score of each seed}
      - output: summary
        viewer: text
        title: Summary
        folded: true
        numbers:
          - {field: averages_used, title: Averages used}
          - {field: seed, title: Seed kept}
          - {field: pixel_size_A, title: Pixel size, unit: Å}
          - {field: box, title: Box, unit: px}
      - {output: logs, viewer: text, title: RELION's logs, folded: true}

baseCommand: [python3]
arguments:
  - {prefix: --threads, valueFrom: $(runtime.cores), position: 2}

inputs:
  script:
    type: File
    default:
      class: File
      location: first_map.py
      secondaryFiles:
        - {class: File, location: averages.py}
    inputBinding: {position: 0}
  library:
    type: File
    default:
      class: File
      location: ../common/toolkit.py
      secondaryFiles:
        - {class: File, location: ../common/toolkit_images.py}
        - {class: File, location: ../common/toolkit_charts.py}
  averages:
    type: File
    label: Class averages
    inputBinding: {prefix: --averages, position: 1}
  stack:
    type: File?
    label: Image stack of the STAR file
    inputBinding: {prefix: --stack, position: 1}
  pixel_size:
    type: double?
    label: Pixel size
    inputBinding: {prefix: --pixel-size, position: 1}
  particle_diameter:
    type: double
    label: Particle diameter
    inputBinding: {prefix: --particle-diameter, position: 1}
  symmetry:
    type: string
    label: Symmetry
    default: C1
    inputBinding: {prefix: --symmetry, position: 1}
  classes:
    type: int
    label: Number of maps
    default: 1
    inputBinding: {prefix: --classes, position: 1}
  effort:
    type: {type: enum, symbols: [quick, standard, thorough]}
    label: Effort
    default: standard
    inputBinding: {prefix: --effort, position: 1}
  seeds:
    type: int
    label: Seeds
    default: 4
    inputBinding: {prefix: --seeds, position: 1}
  first_seed:
    type: int
    label: First seed
    default: 1
    inputBinding: {prefix: --first-seed, position: 1}
  start_resolution:
    type: double
    label: Start resolution
    default: 60
    inputBinding: {prefix: --start-resolution, position: 1}
  final_resolution:
    type: double
    label: Final resolution
    default: 30
    inputBinding: {prefix: --final-resolution, position: 1}
  offset_range:
    type: double
    label: Search of the centre
    default: 6
    inputBinding: {prefix: --offset-range, position: 1}

outputs:
  maps:
    type: File[]
    label: First map
    format: portolan:mrc-volume
    outputBinding: {glob: map_class*.mrc}
  slices:
    type: File
    label: Slices
    format: edam:format_3603
    outputBinding: {glob: slices.png}
  progress_chart:
    type: File
    label: Progress of each seed
    format: portolan:vega-lite
    outputBinding: {glob: progress.vl.json}
  scores:
    type: File
    label: Score of each seed
    format: edam:format_3752
    outputBinding: {glob: scores.csv}
  summary:
    type: File
    label: Summary
    format: edam:format_3464
    outputBinding: {glob: summary.json}
  logs:
    type: File[]
    label: RELION's logs
    format: edam:format_2330
    outputBinding: {glob: seed*.log}
