cwlVersion: v1.2
class: CommandLineTool
id: movie_alignment
label: Movie alignment
doc: Corrects global and local beam-induced motion in microscope movies with RELION's own motion correction.
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
      title: Movie alignment
      summary: Raw movies to sharp averages. Follow the drift of each movie, globally and by patch.
      order: 1
    groups:
      - title: Movies
        fields: [movies, gain]
      - title: Microscope
        fields: [pixel_size, dose_per_frame, voltage]
      - title: Alignment
        fields: [patches_x, patches_y, bfactor, binning, dose_weighting, pre_exposure, first_frame, last_frame]
      - title: Details
        fields: [gain_rotation, gain_flip, eer_grouping, nr_mpi]
    schema:
      movies:
        title: Movies
        description: The movies to align, all of one size, by folder or pattern.
        minItems: 1
        x-order: 1
        x-widget: files
        x-accept: [.mrcs, .mrc, .tif, .tiff, .eer]
        examples: [{pattern: "movies/*.tiff"}]
      gain:
        title: Gain reference
        description: Multiplied onto each frame. It has the movies' size; leave it out for corrected movies.
        x-order: 2
        x-widget: file
        x-accept: [.mrc, .tif, .tiff]
      pixel_size:
        title: Pixel size
        description: Of the movie's pixels, before binning.
        exclusiveMinimum: 0
        maximum: 100
        x-unit: Å
        x-order: 3
        examples: [0.83]
      dose_per_frame:
        title: Dose per frame
        description: Electrons that each frame (each group of frames for EER) adds.
        exclusiveMinimum: 0
        maximum: 999
        x-unit: e/Å²
        x-order: 4
        examples: [1.2]
      voltage:
        title: Voltage
        exclusiveMinimum: 0
        maximum: 1500
        x-unit: kV
        x-order: 5
      patches_x:
        title: Patches across
        description: Local motion is followed in this many patches; 1 by 1 corrects the whole field only.
        minimum: 1
        maximum: 20
        x-expert: true
        x-order: 6
      patches_y:
        title: Patches up
        minimum: 1
        maximum: 20
        x-expert: true
        x-order: 7
      bfactor:
        title: B-factor
        description: Damps fine detail while aligning; raise it for noisy movies.
        minimum: 0
        maximum: 5000
        x-unit: px²
        x-expert: true
        x-order: 8
      binning:
        title: Binning
        description: The averages get pixels this many times larger; 2 for super-resolution movies.
        minimum: 1
        maximum: 16
        x-expert: true
        x-order: 9
      dose_weighting:
        title: Dose weighting
        description: Weighs late frames down in fine detail. The average without it is kept as well.
        x-expert: true
        x-order: 10
      pre_exposure:
        title: Pre-exposure
        description: Dose before the first frame.
        minimum: 0
        maximum: 1000
        x-unit: e/Å²
        x-expert: true
        x-order: 11
      first_frame:
        title: First frame
        minimum: 1
        x-expert: true
        x-order: 12
      last_frame:
        title: Last frame
        description: -1 stands for the last one there is.
        minimum: -1
        x-expert: true
        x-order: 13
      gain_rotation:
        title: Gain rotation
        description: Quarter turns of the gain reference (clockwise, as RELION counts).
        enum: [0, 1, 2, 3]
        x-expert: true
        x-order: 14
      gain_flip:
        title: Gain flip
        description: 0 none, 1 upside down, 2 left to right.
        enum: [0, 1, 2]
        x-expert: true
        x-order: 15
      eer_grouping:
        title: EER grouping
        description: Raw EER frames that make one frame.
        minimum: 1
        maximum: 10000
        x-expert: true
        x-order: 16
      nr_mpi:
        title: Movies at once
        description: MPI processes; each takes a movie of its own, and memory for it.
        minimum: 1
        maximum: 64
        x-expert: true
        x-order: 17
    sample:
      movies: {pattern: "samples/movies/*.tiff"}
      gain: {class: File, path: samples/gain/gain.mrc}
      pixel_size: 1.77
      dose_per_frame: 1.2
      voltage: 300
    queue:
      cores: 2
      memory_mb: 4096
      wall_seconds: 1800
      tasks: nr_mpi
      grows:
        - {input: movies, by: files, wall_seconds: 120}
        - {input: nr_mpi, by: value, memory_mb: 2048, most: 65536}
    programs: [relion_run_motioncorr]
    expected_seconds: 15
    results:
      - {output: drift_chart, viewer: chart, title: Drift of each movie}
      - {output: motion_chart, viewer: chart, title: Motion of all movies}
      - {output: motion_table, viewer: table, title: Motion of all movies in numbers}
      - {output: previews, viewer: images, title: Before and after}
      - {output: averages, viewer: images, title: Aligned averages, folded: true}
      - {output: averages_before, viewer: images, title: Averages before alignment, folded: true}
      - {output: power_spectra, viewer: images, title: Power spectra of the aligned averages, folded: true}
      - {output: power_spectra_before, viewer: images, title: Power spectra before alignment, folded: true}
      - {output: micrographs_star, viewer: table, title: Micrographs as a STAR file, folded: true}
      - output: summary
        viewer: text
        title: Summary
        folded: true
        numbers:
          - {field: movies, title: Movies}
          - {field: median_total_motion_A, title: Median motion, unit: Å}
          - {field: largest_total_motion_A, title: Largest motion, unit: Å}
          - {field: outliers, title: Outliers}
      - {output: log, viewer: text, title: RELION's log, folded: true}

  # Each element takes one core: so many movies are aligned at once as there are cores, with nothing lost between them.
  portolan:Scatter:
    over: movies
    least: 6
    most: 200
    queue:
      cores: 1
      memory_mb: 4096
      wall_seconds: 1800
      grows:
        - {input: movies, by: files, wall_seconds: 240}
    merge: merge.cwl

baseCommand: [python3]
arguments:
  - {prefix: --threads, valueFrom: $(runtime.cores), position: 2}

inputs:
  script:
    type: File
    default:
      class: File
      location: movie_alignment.py
      secondaryFiles:
        - {class: File, location: alignment_before.py}
        - {class: File, location: alignment_inputs.py}
        - {class: File, location: alignment_motion.py}
    inputBinding: {position: 0}
  library:
    type: File
    default:
      class: File
      location: ../common/toolkit.py
      secondaryFiles:
        - {class: File, location: ../common/toolkit_images.py}
        - {class: File, location: ../common/toolkit_charts.py}
        - {class: File, location: ../common/toolkit_star.py}
  movies:
    type: File[]
    label: Movies
    inputBinding: {prefix: --movies, position: 9}
  gain:
    type: File?
    label: Gain reference
    inputBinding: {prefix: --gain, position: 1}
  pixel_size:
    type: double
    label: Pixel size
    inputBinding: {prefix: --pixel-size, position: 1}
  dose_per_frame:
    type: double
    label: Dose per frame
    inputBinding: {prefix: --dose-per-frame, position: 1}
  voltage:
    type: double
    label: Voltage
    default: 300
    inputBinding: {prefix: --voltage, position: 1}
  patches_x:
    type: int
    label: Patches across
    default: 3
    inputBinding: {prefix: --patches-x, position: 1}
  patches_y:
    type: int
    label: Patches up
    default: 3
    inputBinding: {prefix: --patches-y, position: 1}
  bfactor:
    type: double
    label: B-factor
    default: 150
    inputBinding: {prefix: --bfactor, position: 1}
  binning:
    type: double
    label: Binning
    default: 1
    inputBinding: {prefix: --binning, position: 1}
  dose_weighting:
    type: boolean
    label: Dose weighting
    default: true
    inputBinding: {prefix: --dose-weighting, position: 1}
  pre_exposure:
    type: double
    label: Pre-exposure
    default: 0
    inputBinding: {prefix: --pre-exposure, position: 1}
  first_frame:
    type: int
    label: First frame
    default: 1
    inputBinding: {prefix: --first-frame, position: 1}
  last_frame:
    type: int
    label: Last frame
    default: -1
    inputBinding: {prefix: --last-frame, position: 1}
  gain_rotation:
    type: int
    label: Gain rotation
    default: 0
    inputBinding: {prefix: --gain-rotation, position: 1}
  gain_flip:
    type: int
    label: Gain flip
    default: 0
    inputBinding: {prefix: --gain-flip, position: 1}
  eer_grouping:
    type: int
    label: EER grouping
    default: 40
    inputBinding: {prefix: --eer-grouping, position: 1}
  nr_mpi:
    type: int
    label: Movies at once
    default: 1
    inputBinding: {prefix: --nr-mpi, position: 1}

outputs:
  drift_chart:
    type: File
    label: Drift of each movie
    format: portolan:vega-lite
    outputBinding: {glob: drift.vl.json}
  motion_chart:
    type: File
    label: Motion of all movies
    format: portolan:vega-lite
    outputBinding: {glob: motion.vl.json}
  motion_table:
    type: File
    label: Motion of all movies in numbers
    format: edam:format_3752
    outputBinding: {glob: motion.csv}
  previews:
    type: File[]
    label: Before and after
    format: edam:format_3603
    outputBinding: {glob: previews/*.png}
  averages:
    type: File[]
    label: Aligned averages
    format: portolan:mrc-image
    outputBinding: {glob: aligned/*_aligned.mrc}
  averages_unweighted:
    type: File[]
    label: Aligned averages without dose weighting
    format: portolan:mrc-image
    outputBinding: {glob: aligned/*_aligned_noDW.mrc}
  averages_before:
    type: File[]
    label: Averages before alignment
    format: portolan:mrc-image
    outputBinding: {glob: before/*_before.mrc}
  power_spectra:
    type: File[]
    label: Power spectra of the aligned averages
    format: portolan:mrc-image
    outputBinding: {glob: power/*_power_aligned.mrc}
  power_spectra_before:
    type: File[]
    label: Power spectra before alignment
    format: portolan:mrc-image
    outputBinding: {glob: power/*_power_before.mrc}
  motion_stars:
    type: File[]
    label: Motion of each movie as a STAR file
    format: portolan:star
    outputBinding: {glob: motion/*_motion.star}
  micrographs_star:
    type: File
    label: Micrographs as a STAR file
    format: portolan:star
    outputBinding: {glob: corrected_micrographs.star}
  summary:
    type: File
    label: Summary
    format: edam:format_3464
    outputBinding: {glob: summary.json}
  log:
    type: File
    label: RELION's log
    format: edam:format_2330
    outputBinding: {glob: relion.log}
